//! Coming from cron and systemd, and going back: crontabs and timers become job files, jobs become a crontab. Pure.

pub mod crontab;
