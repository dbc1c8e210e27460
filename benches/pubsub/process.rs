//! Servers as processes of their own, each in a scratch directory, on a processor of its own.

use std::process::{Child, Command, Stdio};

/// A process that is killed when dropped.
pub struct Process(Child);

/// A command that runs on one processor, where `taskset` is there.
pub fn on_processor(processor: usize, program: &str) -> Command {
    if Command::new("taskset").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        let mut command = Command::new("taskset");
        command.args(["-c", &processor.to_string(), program]);
        return command;
    }
    Command::new(program)
}

/// Moves this process to one processor.
pub fn pin_this(processor: usize) {
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset")
        .args(["-a", "-p", "-c", &processor.to_string(), &pid])
        .stdout(Stdio::null())
        .status();
    if !pinned.is_ok_and(|status| status.success()) {
        eprintln!("taskset does not work here: servers and load share all processors");
    }
}

impl Process {
    pub fn spawn(mut command: Command) -> Process {
        Process(command.spawn().expect("the program starts"))
    }

    pub fn stdout(&mut self) -> std::process::ChildStdout {
        self.0.stdout.take().expect("it was piped")
    }

    /// Whether it is still there after a moment.
    pub fn lives(&mut self) -> bool {
        std::thread::sleep(std::time::Duration::from_millis(300));
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Connects as soon as somebody listens.
pub fn connect(port: u16) -> std::net::TcpStream {
    for _ in 0..1000 {
        if let Ok(socket) = std::net::TcpStream::connect(("127.0.0.1", port)) {
            socket.set_nodelay(true).expect("a socket takes its options");
            return socket;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nobody listens on port {port}");
}
