//! Steps: credentials, standard input, variables.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::unistd::{Whence, dup2_stdin, lseek};

use super::{Child, CredentialsPlace, broken};
use crate::spec::Stdin;
use crate::supervisor::environment::{self, Sources};
use crate::supervisor::environment_file;
use crate::supervisor::isolate::{Obstacle, credentials, errno_of};

/// Bytes of one file of variables: all variables together have to fit into what the kernel takes.
const ENVIRONMENT_FILE_LIMIT: u64 = 1 << 20;

impl Child<'_> {
    pub(super) fn fetch_credentials(&mut self) -> Result<(), Obstacle> {
        for (name, source) in &self.plan.process.inputs.credentials {
            self.credentials.push(credentials::fetch(name, source)?);
        }
        Ok(())
    }

    pub(super) fn place_credentials(&mut self) -> Result<(), Obstacle> {
        let (uid, gid) = (self.account.uid, self.account.gid);
        let fetched = std::mem::take(&mut self.credentials);
        match self.launch.credentials {
            None => Ok(()),
            Some(CredentialsPlace::Mount(point)) => credentials::place_in_mount(point, &fetched, uid, gid),
            Some(CredentialsPlace::Directory(directory)) => {
                credentials::place_in_directory(directory, &fetched, uid, gid)
            }
        }
    }

    pub(super) fn open_standard_input(&mut self) -> Result<(), Obstacle> {
        let from: OwnedFd = match &self.plan.process.inputs.stdin {
            Stdin::Nothing => return Ok(()),
            Stdin::Text(text) => {
                // A file without a name: it holds any length without a writer, and can be read from its beginning again.
                let mut file = std::fs::File::from(memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC)?);
                file.write_all(text.as_bytes()).map_err(broken)?;
                lseek(&file, 0, Whence::SeekSet)?;
                file.into()
            }
            // A pipe without a writer would hang for ever.
            Stdin::File(path) => {
                let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let file = open(path, flags, Mode::empty()).map_err(Obstacle::at(path))?;
                nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_RDONLY))?;
                file
            }
        };
        dup2_stdin(from)?;
        Ok(())
    }

    pub(super) fn read_environment_files(&mut self) -> Result<(), Obstacle> {
        for file in &self.plan.process.inputs.environment_files {
            let about = Obstacle::at(&file.path);
            let opened = std::fs::OpenOptions::new()
                .read(true)
                .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
                .open(&file.path);
            let mut text = String::new();
            match opened.and_then(|file| file.take(ENVIRONMENT_FILE_LIMIT + 1).read_to_string(&mut text)) {
                Err(fault) if file.optional && fault.kind() == std::io::ErrorKind::NotFound => continue,
                // Text that is no UTF-8 has no number of its own.
                Err(fault) if fault.raw_os_error().is_none() => return Err(about(Errno::EILSEQ)),
                Err(fault) => return Err(about(errno_of(&fault))),
                Ok(length) if length as u64 > ENVIRONMENT_FILE_LIMIT => return Err(about(Errno::EFBIG)),
                Ok(_) => self.from_files.extend(environment_file::parse(&text)),
            }
        }
        Ok(())
    }

    pub(super) fn prepare_environment(&mut self) -> Result<(), Obstacle> {
        let sources = Sources {
            account: &self.account,
            plan: self.plan,
            invocation: self.launch.invocation,
            files: &self.from_files,
            credentials: self.launch.credentials.map(|place| match place {
                CredentialsPlace::Mount(path) | CredentialsPlace::Directory(path) => path.as_path(),
            }),
        };
        // A NUL cannot be handed over; job files are checked for it, so that this is a plan from elsewhere.
        self.environment = environment::build(&sources).map_err(|name| Obstacle::at(name)(Errno::EINVAL))?;
        Ok(())
    }
}
