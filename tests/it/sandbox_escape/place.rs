//! The host as an attacker would like to reach it.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::pty::OpenptFlags;

use crate::support::machine::Machine;

/// What lies and listens around the machines that are attacked.
pub struct Host {
    pub home: PathBuf,
    pub sessions: PathBuf,
    port: u16,
    pid: u32,
    helpers: Vec<Child>,
    /// A terminal of somebody else: its outer side, its inner side, and the path of that.
    terminal: (OwnedFd, OwnedFd, String),
    _listeners: (TcpListener, UnixListener, UnixDatagram, Option<UnixListener>),
}

impl Host {
    /// `HOME` is that of the process; the outer test has made it.
    pub fn set_up(root: &Path) -> Self {
        let home = root.join("home");
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let fresh = |name: &str| {
            let path = home.join(name);
            let _ = fs::remove_file(&path);
            path
        };
        let agent = UnixListener::bind(fresh("agent.sock")).expect("socket");
        let datagrams = UnixDatagram::bind(fresh("dgram.sock")).expect("socket");
        let name = SocketAddr::from_abstract_name("okcvm-abstract-test").expect("name");
        // Another run of this test on the same machine serves as well.
        let abstract_socket = UnixListener::bind_addr(&name).ok();
        let helper = |program: &str, arguments: [&str; 2]| {
            Command::new(program).args(arguments).stdin(Stdio::null()).spawn().expect("helper of the test")
        };
        let helpers = vec![
            helper("bash", ["-c", "exec -a host-marker-proc sleep 600"]),
            helper("python3", ["-c", SHARED_MEMORY]),
        ];
        Self {
            sessions: root.join("sessions"),
            port,
            pid: std::process::id(),
            helpers,
            terminal: terminal(),
            _listeners: (listener, agent, datagrams, abstract_socket),
            home,
        }
    }

    /// A text of a table with its placeholders filled in, for a command.
    pub fn fill(&self, text: &str, machine: &Machine) -> String {
        self.fill_with(text, machine, &machine.inside)
    }

    /// The same, for a tool that knows the workspace as `mount`.
    pub fn fill_with(&self, text: &str, machine: &Machine, mount: &str) -> String {
        let path = |path: &Path| path.to_str().expect("path").to_owned();
        text.replace("{HOME}", &path(&self.home))
            .replace("{MNT}", mount)
            .replace("{WORK}", &path(&machine.work()))
            .replace("{SESSIONS}", &path(&self.sessions))
            .replace("{HOSTPID}", &self.pid.to_string())
            .replace("{HOSTPORT}", &self.port.to_string())
            .replace("{HOSTPTS}", &self.terminal.2)
    }

    /// Whether nothing was written to the terminal of somebody else.
    pub fn terminal_is_silent(&self) -> bool {
        rustix::io::ioctl_fionbio(&self.terminal.0, true).expect("terminal");
        let mut buffer = [0; 256];
        let read = rustix::io::read(&self.terminal.0, &mut buffer);
        if let Ok(count) = read {
            println!("the terminal was written to: {:?}", String::from_utf8_lossy(&buffer[..count]));
        }
        read == Err(rustix::io::Errno::AGAIN)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for helper in &mut self.helpers {
            let _ = helper.kill();
            let _ = helper.wait();
        }
        // It outlives whoever made it.
        let _ = Command::new("ipcrm").args(["-M", "0x6f6b6376"]).stderr(Stdio::null()).status();
    }
}

/// Shared memory under a key that the table knows.
const SHARED_MEMORY: &str = "import ctypes,time\n\
    l=ctypes.CDLL(None); l.shmat.restype=ctypes.c_void_p\n\
    i=l.shmget(0x6f6b6376,4096,0o1666)\n\
    a=l.shmat(i,0,0)\n\
    ctypes.memmove(a,b'SHM-SECRET',10)\n\
    time.sleep(600)\n";

fn terminal() -> (OwnedFd, OwnedFd, String) {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("terminal");
    rustix::pty::grantpt(&ours).expect("terminal");
    rustix::pty::unlockpt(&ours).expect("terminal");
    let path = rustix::pty::ptsname(&ours, Vec::new()).expect("its path").into_string().expect("text");
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let theirs = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).expect("terminal");
    (ours, theirs, path)
}

/// Makes the files that must stay as they are.
pub fn furnish(root: &Path) {
    let files = [
        ("home/.ssh/id_ed25519", "PRIVATE-KEY-SECRET\n"),
        ("home/.config/okcvm/config.yaml", "api_key: CONFIGSECRET\n"),
        ("home/.bashrc", "# BASHRC-ORIG\n"),
        ("home/canary.txt", "CANARY-ORIG\n"),
        ("home/leaked.txt", "LEAKED-FD-SECRET\n"),
        ("sessions/okcvm-otherone/secret.txt", "OTHER-SESSION-SECRET\n"),
        ("sessions/okcvm-otherone/work/secret.txt", "OTHER-SESSION-SECRET\n"),
    ];
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("file");
    }
}
