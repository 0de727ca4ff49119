//! `firehose-local`: the local Firehose as a program.

use firehose_local::{Key, Options, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};

const USAGE: &str = "\
A local Firehose for development and tests. Prints one line of JSON when it serves.

    firehose-local [OPTION]...

    --listen ADDRESS        HTTP listener (127.0.0.1:0)
    --tls-listen ADDRESS    HTTPS listener (none)
    --tls-dir DIR           where to write ca.pem (a temporary folder)
    --tls-name NAME         one more name for the certificate; can be repeated
    --data DIR              write the records there, as Firehose writes objects (memory only)
    --key AKID:SECRET[:TOKEN]   a key that may do everything; can be repeated (AKIDLOCAL:local-secret)
    --denied-key AKID:SECRET    a key that no policy allows anything; can be repeated
    --no-auth               do not look at signatures
    --region NAME           region in signatures and ARNs (us-east-1)
    --stream NAME           a stream that exists; can be repeated; '*': every name does
    --seed N                seed of the draws for faults (0)
    --fault JSON            a fault; can be repeated
    --quota JSON            a quota: bytes_per_second, records_per_second, requests_per_second (none)
    --clock-offset SECONDS  by how much the clock is off (0)
    --forget                count records, but do not keep them in memory
    --exit-with-stdin       end when standard input ends
";

struct Command {
    options: Options,
    exit_with_stdin: bool,
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Command>, String> {
    let mut arguments = arguments;
    let mut options = Options::default();
    let mut faults = Vec::new();
    let mut exit_with_stdin = false;
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        let key = |text: String| Key::parse(&text).ok_or_else(|| format!("{name} needs AKID:SECRET"));
        let number =
            |text: String| text.parse().map_err(|_| format!("{name} needs a whole number, not {text}"));
        match name.as_str() {
            "--listen" => options.listen = value()?,
            "--tls-listen" => options.tls_listen = Some(value()?),
            "--tls-dir" => options.tls_dir = Some(value()?.into()),
            "--tls-name" => options.tls_names.push(value()?),
            "--data" => options.data = Some(value()?.into()),
            "--key" => options.keys.push(key(value()?)?),
            "--denied-key" => options.denied_keys.push(key(value()?)?),
            "--no-auth" => options.auth = false,
            "--region" => options.region = value()?,
            "--stream" => options.streams.push(value()?),
            "--seed" => options.seed = number(value()?)? as u64,
            "--fault" => {
                let text = value()?;
                faults.push(serde_json::from_str(&text).map_err(|error| format!("{name} {text}: {error}"))?);
            }
            "--quota" => {
                let text = value()?;
                options.quota =
                    serde_json::from_str(&text).map_err(|error| format!("{name} {text}: {error}"))?;
            }
            "--clock-offset" => options.clock_offset = number(value()?)?,
            "--forget" => options.forget = true,
            "--exit-with-stdin" => exit_with_stdin = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("there is no option {name}; --help lists them")),
        }
    }
    options.faults = Value::Array(faults);
    Ok(Some(Command { options, exit_with_stdin }))
}

/// Blocks the signals that end the program, on this thread and those it starts, so that one of them can wait for them.
fn block_signals() -> libc::sigset_t {
    // SAFETY: the set is initialised by `sigemptyset` before anything reads it; the calls have no other demands.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    }
}

fn wait_for_signal(set: libc::sigset_t, end: &Sender<()>) {
    let mut signal = 0;
    // SAFETY: both pointers are to live values of the types that the call wants.
    unsafe { libc::sigwait(&set, &mut signal) };
    let _ = end.send(());
}

fn wait_for_stdin(end: &Sender<()>) {
    let mut scratch = [0; 256];
    while matches!(std::io::stdin().read(&mut scratch), Ok(got) if got > 0) {}
    let _ = end.send(());
}

fn run(command: Command) -> std::io::Result<()> {
    let signals = block_signals();
    let data = command.options.data.clone().map(std::path::absolute).transpose()?;
    let server = Server::start(command.options)?;
    let mut line = json!({ "http": server.endpoint(), "data": data, "pid": std::process::id() });
    if let (Some(endpoint), Some(ca)) = (server.tls_endpoint(), server.ca_path()) {
        line["https"] = endpoint.into();
        line["ca"] = json!(ca);
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    let (end, ended) = channel();
    if command.exit_with_stdin {
        let end = end.clone();
        std::thread::spawn(move || wait_for_stdin(&end));
    }
    std::thread::spawn(move || wait_for_signal(signals, &end));
    let _ = ended.recv();
    drop(server);
    Ok(())
}

fn main() -> ExitCode {
    let command = match parse(std::env::args().skip(1)) {
        Ok(Some(command)) => command,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("firehose-local: {error}");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("firehose-local: {error}");
            ExitCode::FAILURE
        }
    }
}
