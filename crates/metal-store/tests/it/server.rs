//! Real etcd members for the tests: started on free ports, ready when they say so, and gone when the test process
//! is gone, however it ends: a shell holds each member and kills it as soon as the pipe from here closes.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// Starts `"$@"` in the background and kills it, and removes its directory, when standard input ends. The shell
/// lets go of standard error, or saying that its child was killed would kill it too.
const HOLD: &str = r#"dir=$1; shift; "$@" & pid=$!; exec 2>/dev/null; read -r _; kill -9 "$pid"; wait "$pid"; rm -rf "$dir""#;

/// Something to tell a member beside its ports.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// `http` or `https` for clients.
    pub scheme: &'static str,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// A running member; killed with SIGKILL when dropped.
pub struct Server {
    /// `scheme://127.0.0.1:port`.
    pub endpoint: String,
    holder: Child,
    leash: Option<ChildStdin>,
}

impl Server {
    /// Starts one member with an empty data directory.
    pub fn start(extra: &Extra) -> Self {
        Self::cluster(1, extra).remove(0)
    }

    /// Starts a cluster.
    pub fn cluster(size: usize, extra: &Extra) -> Vec<Self> {
        let found =
            Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(found.is_ok(), "this test needs etcd in PATH: apt-get install etcd-server");
        // Somebody may take a port between choosing and using it.
        (0..5).find_map(|_| Self::try_cluster(size, extra)).expect("etcd did not start in five attempts")
    }

    fn try_cluster(size: usize, extra: &Extra) -> Option<Vec<Self>> {
        let listeners: Vec<_> =
            (0..size * 2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let ports: Vec<_> = listeners.iter().map(|l| l.local_addr().expect("bound").port()).collect();
        drop(listeners);
        let peer = |index: usize| format!("http://127.0.0.1:{}", ports[size + index]);
        let all: Vec<_> = (0..size).map(|index| format!("m{index}={}", peer(index))).collect();
        let scheme = if extra.scheme.is_empty() { "http" } else { extra.scheme };
        let mut members = Vec::new();
        for (index, port) in ports.iter().take(size).enumerate() {
            let dir = std::env::temp_dir().join(format!("metal-store-etcd-{}-{port}", std::process::id()));
            let endpoint = format!("{scheme}://127.0.0.1:{port}");
            let mut arguments = vec![format!("--name=m{index}"), format!("--data-dir={}", dir.display())];
            arguments.push(format!("--listen-client-urls={endpoint}"));
            arguments.push(format!("--advertise-client-urls={endpoint}"));
            arguments.push(format!("--listen-peer-urls={}", peer(index)));
            arguments.push(format!("--initial-advertise-peer-urls={}", peer(index)));
            arguments.push(format!("--initial-cluster={}", all.join(",")));
            arguments.extend(extra.arguments.iter().cloned());
            members.push(Self::spawn(endpoint, &dir, &arguments));
        }
        let ready = members.iter_mut().all(Self::wait_until_ready);
        ready.then_some(members)
    }

    fn spawn(endpoint: String, dir: &PathBuf, arguments: &[String]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", HOLD, "sh"]).arg(dir).arg("etcd").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut holder = command.spawn().expect("sh starts");
        let leash = holder.stdin.take();
        Self { endpoint, holder, leash }
    }

    /// Reads the log until the member serves; false when it ends before.
    fn wait_until_ready(&mut self) -> bool {
        let mut log = BufReader::new(self.holder.stderr.take().expect("piped")).lines();
        let ready =
            log.by_ref().map_while(Result::ok).any(|line| line.contains("ready to serve client requests"));
        // Read on, or the member blocks on a full pipe.
        std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
        ready
    }

    /// Kills the member with SIGKILL.
    pub fn kill(&mut self) {
        drop(self.leash.take());
        self.holder.wait().expect("the shell can be waited for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The member that all tests of this process share; give each test a prefix of its own.
pub fn shared() -> &'static str {
    static SHARED: OnceLock<Server> = OnceLock::new();
    &SHARED.get_or_init(|| Server::start(&Extra::default())).endpoint
}
