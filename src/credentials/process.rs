//! `credential_process`: a command that prints keys. It is run without a shell, under a time limit, and in whatever
//! state the host has left its signals: a host that ignores SIGCHLD or reaps every child has taken the exit status
//! away, and then what was printed has to do.

use super::json::Document;
use super::{Credentials, Moment, Provider, failed};
use crate::error::{Error, Kind, Result};
use crate::sys::pipe::readable;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A command that takes longer hangs, or waits for a person.
const LIMIT: Duration = Duration::from_secs(60);
/// How long after its output has ended a process may take to end itself.
const GRACE: Duration = Duration::from_secs(5);
/// Longer than any set of keys.
const MOST: usize = 256 * 1024;
/// How much of what it says on stderr is kept.
const MOST_ERRORS: usize = 4 * 1024;

/// The source that a profile's `credential_process` is.
pub(super) struct Process {
    profile: String,
    command: Zeroizing<String>,
}

impl Process {
    pub(super) fn new(profile: String, command: Zeroizing<String>) -> Process {
        Process { profile, command }
    }
}

impl Provider for Process {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let until = moment.deadline.min(Instant::now() + LIMIT);
        let words = split(&self.command).map_err(|why| failed(&self.name(), why))?;
        run(&words, until).and_then(|output| read(&output, &self.command)).map_err(|why| {
            let late = Instant::now() >= moment.deadline;
            let kind = if late { Kind::Timeout } else { Kind::CredentialsFailed };
            Error::new(kind, failed(&self.name(), &why).message)
        })
    }

    fn name(&self) -> String {
        format!("credential_process of profile {}", self.profile)
    }
}

/// Splits a command line into words as a shell would, without doing anything else that a shell does.
fn split(line: &str) -> std::result::Result<Vec<Zeroizing<String>>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<Zeroizing<String>> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') if matches!(chars.peek(), Some('"' | '\\')) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => {
                word.get_or_insert_default().push(chars.next().ok_or("it ends with a backslash")?);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    words.extend(word);
    if words.is_empty() { Err("it is empty") } else { Ok(words) }
}

/// Runs the command and gives what it printed.
fn run(words: &[Zeroizing<String>], until: Instant) -> std::result::Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = words.split_first().ok_or("it is empty")?;
    let program = program.as_str();
    // The arguments may hold a secret; the program's name does not.
    let mut child = Command::new(program)
        .args(arguments.iter().map(|word| word.as_str()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {program:?}: {error}"))?;
    let mut errors = Vec::new();
    let outcome = listen(&mut child, until, &mut errors);
    let status = outcome.as_ref().ok().and_then(|_| end(&mut child, until.min(Instant::now() + GRACE)));
    let said = match crate::text::printable(&String::from_utf8_lossy(&errors)) {
        said if said.is_empty() => String::new(),
        said => format!("; it says: {said}"),
    };
    let output = outcome.map_err(|why| {
        stop(&mut child);
        format!("{program:?} {why}{said}")
    })?;
    match status {
        Some(Ending::Exited(status)) if !status.success() => {
            Err(format!("{program:?} failed ({status}){said}"))
        }
        Some(Ending::Running) => {
            stop(&mut child);
            Err(format!("{program:?} did not end after its output had{said}"))
        }
        // Where the host has taken the status away, its words are all there is.
        _ if output.is_empty() => Err(format!("{program:?} printed nothing{said}")),
        _ => Ok(output),
    }
}

/// Reads both pipes to their end.
fn listen(
    child: &mut Child,
    until: Instant,
    errors: &mut Vec<u8>,
) -> std::result::Result<Zeroizing<Vec<u8>>, String> {
    let begun = Instant::now();
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let mut output = Zeroizing::new(Vec::with_capacity(4096));
    let mut piece = Zeroizing::new([0; 4096]);
    while out.is_some() || err.is_some() {
        let pipes = [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)];
        let [from_out, from_err] =
            readable(pipes, until).map_err(|error| format!("cannot be heard: {error}"))?;
        if !from_out && !from_err {
            let ms = begun.elapsed().as_millis();
            return Err(format!("did not end in {ms} ms and was stopped"));
        }
        let mut take = |pipe: Option<&mut dyn Read>| match pipe.map(|pipe| pipe.read(&mut *piece)) {
            Some(Ok(got)) if got > 0 => piece.get(..got).map(|piece| Zeroizing::new(piece.to_vec())),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => Some(Zeroizing::default()),
            _ => None,
        };
        if from_out {
            match take(out.as_mut().map(|pipe| pipe as &mut dyn Read)) {
                Some(piece) => output.extend_from_slice(&piece),
                None => out = None,
            }
            if output.len() > MOST {
                return Err(format!("printed more than {MOST} bytes"));
            }
        }
        if from_err {
            match take(err.as_mut().map(|pipe| pipe as &mut dyn Read)) {
                // What is past the limit is read, so that nobody hangs, and forgotten.
                Some(piece) if errors.len() < MOST_ERRORS => errors.extend_from_slice(&piece),
                Some(_) => {}
                None => err = None,
            }
        }
    }
    Ok(output)
}

enum Ending {
    Exited(ExitStatus),
    Running,
}

/// How the process ended; `None` where the host has reaped it.
fn end(child: &mut Child, until: Instant) -> Option<Ending> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ending::Exited(status)),
            Ok(None) if Instant::now() >= until => return Some(Ending::Running),
            Ok(None) => std::thread::sleep(pause),
            Err(_) => return None,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Kills the process, if it is still ours to kill: once reaped, its number may be somebody else's.
fn stop(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        // What can fail here has ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Reads version 1 of the format.
fn read(output: &[u8], command: &str) -> std::result::Result<Credentials, String> {
    let shell = if command.contains(['|', '&', '>', '<', ';', '$', '`', '*', '~']) {
        "; it is run without a shell: write sh -c '...' if it needs one"
    } else {
        ""
    };
    let document =
        Document::parse(output).map_err(|why| format!("what it printed cannot be read: {why}{shell}"))?;
    let bad = |why: String| format!("what it printed is not good: {why}");
    if document.number("Version").map_err(bad)? != 1 {
        return Err(bad("Version is not 1".into()));
    }
    let expires_at = match document.optional("Expiration").map_err(bad)? {
        Some(_) => Some(document.date("Expiration").map_err(bad)?),
        None => None,
    };
    let (id, secret) =
        (document.text("AccessKeyId").map_err(bad)?, document.text("SecretAccessKey").map_err(bad)?);
    let token = document.optional("SessionToken").map_err(bad)?;
    Credentials::checked(id, secret, token, expires_at).map_err(|why| bad(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line).unwrap().iter().map(|word| word.to_string()).collect()
    }

    fn fetch(command: &str) -> std::result::Result<Credentials, String> {
        let until = Instant::now() + Duration::from_secs(20);
        run(&split(command)?, until).and_then(|output| read(&output, command))
    }

    #[test]
    fn words_are_split_as_a_shell_would() {
        assert_eq!(
            words(r#"a  'b c' "d \"e\" \x" f\ g h'i'"j" '' k|l"#),
            ["a", "b c", "d \"e\" \\x", "f g", "hij", "", "k|l"]
        );
        assert_eq!(words("\t/opt/x  --y=$HOME\n"), ["/opt/x", "--y=$HOME"]);
        for bad in ["", "  ", "a 'b", "a \"b", "a \\"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_read_and_what_is_wrong_is_told() {
        let good = r#"echo '{"Version":1,"AccessKeyId":"AKIDP","SecretAccessKey":"hush","SessionToken":"t","Expiration":"2030-01-01T00:00:00Z"}'"#;
        let keys = fetch(good).unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.expires_at), ("AKIDP", Some(1_893_456_000)));
        assert_eq!(
            fetch(r#"echo '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S"}'"#).unwrap().expires_at,
            None
        );
        for (command, words) in [
            ("/nonexistent/tool --token hush", "cannot start"),
            ("sh -c 'echo no luck >&2; exit 3'", "exit status: 3); it says: no luck"),
            ("true", "printed nothing"),
            ("echo hush | base64", "sh -c"),
            ("echo '{\"Version\":2}'", "Version is not 1"),
            ("echo '{\"Version\":1,\"AccessKeyId\":\"hush\"}'", "SecretAccessKey is missing"),
            ("echo '{\"Version\":1,\"AccessKeyId\":7}'", "AccessKeyId is not a string"),
            ("sh -c 'head -c 400000 /dev/zero'", "printed more than"),
        ] {
            let why = fetch(command).unwrap_err();
            assert!(why.contains(words) && !why.contains("hush"), "{command}: {why}");
        }
        let bad = good.replace("2030-01-01", "soon");
        assert!(fetch(&bad).unwrap_err().contains("Expiration is not a date"));
    }

    #[test]
    fn what_hangs_is_stopped() {
        let begun = Instant::now();
        let hang = split("sh -c 'echo the code, please >&2; exec sleep 100'").unwrap();
        let why = run(&hang, begun + Duration::from_millis(400)).unwrap_err();
        assert!(why.contains("was stopped") && why.contains("the code, please"), "{why}");
        let late = split("sh -c 'exec >&- 2>&-; sleep 100'").unwrap();
        let why = run(&late, Instant::now() + Duration::from_millis(200)).unwrap_err();
        assert!(why.contains("did not end"), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_long_complaint_does_not_block() {
        let command = r#"sh -c 'head -c 300000 /dev/zero >&2; echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}"'"#;
        assert_eq!(fetch(command).unwrap().access_key_id, "A");
    }
}
