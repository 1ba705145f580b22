//! `privlink check` as a whole process, from its start to its end: five Services a file, one of 500 wrong.
//!
//! Peak memory is read while a second process runs: watching it costs time that the first does not pay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Documents in each file.
const IN_EACH: usize = 5;
/// One document of so many is wrong.
const WRONG: usize = 500;

/// Prints the figures, beside what is aimed at on two idle processors.
pub(super) fn figures(settings: &str) {
    figure(settings, (1, 20), "aim: below 10 ms");
    figure(settings, (2_000, 9), "aim: below 330 ms, 120 MB");
    figure(settings, (20_000, 3), "aim: ten times the line before");
}

/// Tells the median of some starts.
fn figure(settings: &str, (files, starts): (usize, usize), aim: &str) {
    let folder = write(settings, files);
    let before = processor_time_of_children();
    let mut times: Vec<Duration> = (0..starts).map(|_| timed(&folder)).collect();
    times.sort();
    let spent = match (before, processor_time_of_children()) {
        (Some(before), Some(after)) => format!("{:.1} ms", (after - before) / starts as f64),
        _ => "unknown".to_owned(),
    };
    let peak = peak(&folder).map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} MB", bytes / 1e6));
    let name = format!("check {} documents in {files} files", files * IN_EACH);
    let wall = times[starts / 2].as_secs_f64() * 1e3;
    println!("{name:42} {wall:>9.2} ms   processor {spent:>10}   peak {peak:>9}   {aim}");
    fs::remove_dir_all(&folder).expect("the folder was written here");
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
    command.arg("check").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

fn timed(folder: &Path) -> Duration {
    let begin = Instant::now();
    let end = start(folder).wait().expect("the program ends");
    assert_eq!(end.code(), Some(3), "some documents are wrong");
    begin.elapsed()
}

/// The most memory it had, in bytes, as far as the kernel tells.
fn peak(folder: &Path) -> Option<f64> {
    peak_of(start(folder))
}

/// The most memory that a process had until its end, in bytes, as far as the kernel tells.
pub(super) fn peak_of(mut child: Child) -> Option<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait().expect("the program was started here").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        peak = kibibytes.map(|number| number * 1024.0).or(peak);
    }
    peak
}

/// What the children that ended had of the processors, in ms, as far as the kernel tells: in ticks of 10 ms.
fn processor_time_of_children() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) * 10.0)
}

fn write(settings: &str, files: usize) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("privlink-bench-{}-{files}", std::process::id()));
    let path = |file: usize| folder.join(format!("environments/prod/team-{}", file % 20));
    for file in 0..files {
        fs::create_dir_all(path(file)).expect("the folder of temporary files can be written");
        let documents = (0..IN_EACH).map(|at| document(file * IN_EACH + at)).collect::<Vec<_>>().join("---\n");
        fs::write(path(file).join(format!("app-{file}.yaml")), documents).expect("a new file can be written");
    }
    fs::write(folder.join("privlink.toml"), settings).expect("a new file can be written");
    folder
}

// Public ones: one internal load balancer could not have so many.
fn document(number: usize) -> String {
    let timeout = if number.is_multiple_of(WRONG) { 101 } else { 30 };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: app-{number}\n  namespace: team-{}\n  labels:\n    app: \
         app-{number}\n  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: \
         \"{timeout}\"\n    service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol: http\nspec:\n  type: \
         LoadBalancer\n  ports:\n  - name: http\n    port: 80\n    targetPort: 8080\n  selector:\n    app: app-{number}\n",
        number % 20
    )
}
