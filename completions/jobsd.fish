# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_jobsd_global_optspecs
    string join \n config= jobs-dir= calendars-dir= state-dir= socket= supervisor-socket= trust-owner= log= log-format= external-supervisor h/help V/version
end

function __fish_jobsd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_jobsd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_jobsd_using_subcommand
    set -l cmd (__fish_jobsd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c jobsd -n "__fish_jobsd_needs_command" -l config -d 'Read this configuration file [default: /etc/jobsd/jobsd.toml as root, else ~/.config/jobsd/jobsd.toml, if there]' -r -F
complete -c jobsd -n "__fish_jobsd_needs_command" -l jobs-dir -d 'Read jobs from this directory [default: jobs.d beside the default configuration file]' -r -F
complete -c jobsd -n "__fish_jobsd_needs_command" -l calendars-dir -d 'Read calendars from this directory [default: calendars.d beside the jobs directory]' -r -F
complete -c jobsd -n "__fish_jobsd_needs_command" -l state-dir -d 'Keep history and output here [default: /var/lib/jobsd as root, else ~/.local/state/jobsd]' -r -F
complete -c jobsd -n "__fish_jobsd_needs_command" -l socket -d 'Listen for clients here [default: /run/jobsd/jobsd.sock as root, else $XDG_RUNTIME_DIR/jobsd/jobsd.sock]' -r -F
complete -c jobsd -n "__fish_jobsd_needs_command" -l supervisor-socket -d 'Meet the supervisor here [default: supervisor.sock in the state directory; /run/jobsd/supervisor.sock for /var/lib/jobsd]' -r -F
complete -c jobsd -n "__fish_jobsd_needs_command" -l trust-owner -d 'Believe job files and configuration of this user too; may be repeated' -r
complete -c jobsd -n "__fish_jobsd_needs_command" -l log -d 'How much to say on standard error [default: info]' -r -f -a "error\t'What failed'
warn\t'What is wrong but works'
info\t'What happens to the daemon as a whole: start, reload, shutdown'
debug\t'What happens to each run'
trace\t'Everything'"
complete -c jobsd -n "__fish_jobsd_needs_command" -l log-format -d 'How the log is written [default: journal when systemd has connected standard error with it, else text]' -r -f -a "text\t'Lines for people, on standard error; coloured on a terminal alone'
json\t'A line of JSON for each event, on standard error'
journal\t'To the journal, each field its own'"
complete -c jobsd -n "__fish_jobsd_needs_command" -l external-supervisor -d 'Wait for a supervisor that somebody else starts, as systemd does, instead of starting one'
complete -c jobsd -n "__fish_jobsd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobsd -n "__fish_jobsd_needs_command" -s V -l version -d 'Print version'
complete -c jobsd -n "__fish_jobsd_needs_command" -f -a "supervise" -d 'Be the parent of every run; jobsd starts this by itself'
complete -c jobsd -n "__fish_jobsd_needs_command" -f -a "state" -d 'Look at, repair or move the state while no daemon runs on it'
complete -c jobsd -n "__fish_jobsd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -l state-dir -d 'The daemon\'s state directory' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -l socket -d 'The socket for the engine' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -l found-runs -d 'What happens to runs that outlived the supervisor before: they go on, watched to their end, or are stopped as when the machine goes down. A daemon that starts its supervisor itself passes the variable on' -r -f -a "adopt\t'They go on, watched to their end'
stop\t'They are stopped, by their own signal and grace, as when the machine goes down'"
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -l stay -d 'Stay when there are no runs and no engine, as a service manager wants it'
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -l detach -d 'Go on in the background and return when the socket answers; the log goes to supervisor.log in the state directory'
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -l after-death -d 'Make the cgroup of a supervisor that died fit for the next one, and end; for the service manager'
complete -c jobsd -n "__fish_jobsd_using_subcommand supervise" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "verify" -d 'Read all of the database and of the backups, and say whether they are whole; changes nothing'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "restore" -d 'Put a backup in the place of the present database, which is set aside'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "salvage" -d 'Build the database anew from the newest backup and all records that are found in a damaged one'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "export" -d 'Write all records into a new file, as JSON lines'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "import" -d 'Make a state of an export, where there is none yet'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "inspect" -d 'Read a database whose content is in doubt; the daemon has this done by a process of its own'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and not __fish_seen_subcommand_from verify restore salvage export import inspect help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from verify" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from verify" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from restore" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from restore" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from salvage" -l from -d 'Where to look for records: a directory below `aside` [default: the present database]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from salvage" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from salvage" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from salvage" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from export" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from export" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from import" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from import" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from inspect" -l config -d 'Read this configuration file [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from inspect" -l state-dir -d 'The state directory [default: as for the daemon]' -r -F
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Read all of the database and of the backups, and say whether they are whole; changes nothing'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Put a backup in the place of the present database, which is set aside'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "salvage" -d 'Build the database anew from the newest backup and all records that are found in a damaged one'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write all records into a new file, as JSON lines'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "import" -d 'Make a state of an export, where there is none yet'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Read a database whose content is in doubt; the daemon has this done by a process of its own'
complete -c jobsd -n "__fish_jobsd_using_subcommand state; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and not __fish_seen_subcommand_from supervise state help" -f -a "supervise" -d 'Be the parent of every run; jobsd starts this by itself'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and not __fish_seen_subcommand_from supervise state help" -f -a "state" -d 'Look at, repair or move the state while no daemon runs on it'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and not __fish_seen_subcommand_from supervise state help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "verify" -d 'Read all of the database and of the backups, and say whether they are whole; changes nothing'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "restore" -d 'Put a backup in the place of the present database, which is set aside'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "salvage" -d 'Build the database anew from the newest backup and all records that are found in a damaged one'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "export" -d 'Write all records into a new file, as JSON lines'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "import" -d 'Make a state of an export, where there is none yet'
complete -c jobsd -n "__fish_jobsd_using_subcommand help; and __fish_seen_subcommand_from state" -f -a "inspect" -d 'Read a database whose content is in doubt; the daemon has this done by a process of its own'
