//! The real agent as a process that makes a pass when it is told to, and says how it ended.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::process::{Machine, Stage};

/// How long a pass may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a pass ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    /// In the agent's own word.
    pub(crate) word: String,
    /// The plan that was made.
    pub(crate) plan: Option<String>,
    /// The plans that it began to apply.
    pub(crate) applied: Vec<String>,
    /// Everything that was logged.
    pub(crate) log: String,
}

/// A process.
pub(crate) struct Agent {
    child: Child,
    lines: Receiver<String>,
    /// What the pass said so far that nobody waited for any longer.
    begun: RefCell<Ended>,
}

impl Agent {
    /// Starts one, and its first pass.
    pub(crate) fn start(stage: &Stage, machine: &Machine) -> Self {
        let url = stage.url();
        let still = ["--debounce", "1ms", "--interval", "1h", "--drift-interval", "1h", "--log-format", "json"];
        let arguments = ["agent", "--repo", &url];
        let mut command = machine.command(&[arguments.as_slice(), &still].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, begun: RefCell::default() }
    }

    /// Asks for a pass.
    pub(crate) fn wake(&self) {
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "the agent is gone");
    }

    /// Waits for the end of a pass; `None` if it does not end in so long.
    pub(crate) fn ended_within(&self, patience: Duration) -> Option<Ended> {
        let mut ended = self.begun.take();
        loop {
            let line = match self.lines.recv_timeout(patience) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    self.begun.replace(ended);
                    return None;
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the agent ended by itself:\n{}", ended.log),
            };
            ended.log.push_str(&line);
            ended.log.push('\n');
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            let text = |name: &str| line["fields"][name].as_str().map(ToOwned::to_owned);
            match text("message").as_deref() {
                Some("an apply begins") => ended.applied.extend(text("plan")),
                Some("the pass ended" | "the pass failed") => {
                    (ended.word, ended.plan) = (text("end").unwrap_or_default(), text("plan"));
                    return Some(ended);
                }
                Some("the repository cannot be read") => {
                    ended.word = "blind".to_owned();
                    return Some(ended);
                }
                _ => {}
            }
        }
    }

    /// Waits for the end of a pass.
    pub(crate) fn ended(&self) -> Ended {
        self.ended_within(PATIENCE).expect("a pass hangs")
    }

    /// Makes a pass.
    pub(crate) fn pass(&self) -> Ended {
        self.wake();
        self.ended()
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The memory it holds, in MB.
    pub(crate) fn memory(&self) -> f64 {
        self.kept("VmRSS:")
    }

    /// The most memory it held, in MB.
    pub(crate) fn peak(&self) -> f64 {
        self.kept("VmHWM:")
    }

    fn kept(&self, figure: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// The processor time it took so far.
    pub(crate) fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The fields after the name, which is in brackets: utime and stime are the 14th and 15th of all, in hundredths.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }
}
