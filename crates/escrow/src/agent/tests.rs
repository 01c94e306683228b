use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, io};

use tempfile::TempDir;

use super::*;
use crate::{Officer, wrap};

const HOURS: Duration = Duration::from_hours(8);

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

/// An agent in a thread, once it answers.
fn agent(path: PathBuf, officer: Officer, life: Duration) -> JoinHandle<Result<(), EscrowError>> {
    let (tell, told) = mpsc::channel();
    let serving = thread::spawn(move || AgentSocket::bind(&path)?.serve(officer, life, |_| tell.send(()).unwrap()));
    // Nothing comes where binding failed: then the thread has the error.
    let _ = told.recv();
    serving
}

#[test]
fn an_agent_opens_and_signs_and_keeps_its_keys() {
    let folder = folder();
    let path = folder.path().join("below/agent.sock");
    assert!(Agent::connect(&path).unwrap().is_none());
    let officer = Officer::generate().unwrap();
    let public = officer.public();
    let serving = agent(path.clone(), officer, HOURS);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let agent = Agent::connect(&path).unwrap().unwrap();
    assert_eq!(*agent.public(), public);
    assert!(agent.left() <= HOURS && agent.left() > Duration::from_hours(7));
    let remote = Officer::of_agent(agent);
    let key = wrap::generate().unwrap();
    let wrapped = wrap::wrap(&key, [public.recipient.as_str()], "session key").unwrap();
    assert_eq!(*wrap::unwrap(&wrapped, remote.keys(), "session key").unwrap(), *key);
    let signature = remote.keys().sign(&[7; 32]).unwrap();
    assert!(public.writer.has_signed(&[7; 32], &signature));
    assert_eq!(remote.public(), public);
    // What is not for these keys, or no digest, is refused, and the conversation goes on.
    let stranger = Officer::generate().unwrap().public().recipient;
    let other = wrap::wrap(&key, [stranger.as_str()], "session key").unwrap();
    let error = wrap::unwrap(&other, remote.keys(), "session key");
    assert!(matches!(error, Err(EscrowError::NotWrapped { .. })));
    assert!(remote.keys().sign(b"a whole message, which might mean something elsewhere").is_err());
    assert!(remote.keys().sign(&[8; 32]).is_ok());
    // The keys do not come out.
    assert!(remote.create_file(&folder.path().join("copy"), None).is_err());

    Agent::connect(&path).unwrap().unwrap().lock().unwrap();
    serving.join().unwrap().unwrap();
    assert!(!path.exists() && Agent::connect(&path).unwrap().is_none());
}

/// Keys that lay in boxes of their own would lie outside of what an agent locks.
#[test]
fn the_keys_lie_in_the_memory_that_is_locked() {
    assert_eq!(size_of::<age::x25519::Identity>(), 32);
    assert_eq!(size_of::<crate::ssh::SshIdentity>(), 32);
    // The secret half, and the public one.
    assert!(size_of::<ed25519_dalek::SigningKey>() >= 64);
    assert!(size_of::<Officer>() > 32 + 64);
}

#[test]
fn strange_questions_end_nothing_but_themselves() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    let serving = agent(path.clone(), Officer::generate().unwrap(), HOURS);
    for message in [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 99], &[0xff; 8], &[0, 0, 0, 3, 2], &[0, 0, 0, 2, 3, 0]] {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(message).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Hanging up on bytes that were not read is a reset.
        let read = io::Read::read_to_end(&mut stream, &mut answer);
        assert!(read.is_ok() || read.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
        assert!(answer.is_empty() || answer == [0, 0, 0, 1, REFUSED], "{message:?}: {answer:?}");
    }
    Agent::connect(&path).unwrap().unwrap().lock().unwrap();
    serving.join().unwrap().unwrap();
}

#[test]
fn an_agent_ends_when_its_time_is_up() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    agent(path.clone(), Officer::generate().unwrap(), Duration::from_millis(1)).join().unwrap().unwrap();
    assert!(!path.exists());
}

#[test]
fn an_agent_ends_when_its_socket_goes_or_another_takes_its_place() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    let serving = agent(path.clone(), Officer::generate().unwrap(), HOURS);
    fs::remove_file(&path).unwrap();
    serving.join().unwrap().unwrap();

    let first = agent(path.clone(), Officer::generate().unwrap(), HOURS);
    let other = Officer::generate().unwrap();
    let public = other.public();
    let second = agent(path.clone(), other, HOURS);
    first.join().unwrap().unwrap();
    let found = Agent::connect(&path).unwrap().unwrap();
    assert_eq!(*found.public(), public);
    found.lock().unwrap();
    second.join().unwrap().unwrap();
}

#[test]
fn folders_of_others_and_dead_sockets_are_told_apart() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(Agent::connect(&path).unwrap().is_none());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(AgentSocket::bind(&path), Err(EscrowError::AgentFolder { .. })));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(AgentSocket::bind(&folder.path().join("file/x")), Err(EscrowError::AgentIo { .. })));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(Agent::connect(&folder.path().join("file/x")), Err(EscrowError::AgentIo { .. })));
}

#[test]
fn an_agent_that_ends_in_mid_conversation_is_named() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let public = Officer::generate().unwrap().public();
    let recipient = public.recipient.clone();
    let ending = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(**wire::receive(&mut stream).unwrap().unwrap(), [Question::Who as u8]);
        wire::send(&mut stream, &[&[DONE], &[0; 8], public.writer.as_bytes(), public.recipient.as_bytes()]).unwrap();
    });
    let remote = Officer::of_agent(Agent::connect(&path).unwrap().unwrap());
    ending.join().unwrap();
    assert!(matches!(remote.keys().sign(&[7; 32]), Err(EscrowError::AgentGone { .. })));
    let wrapped = wrap::wrap(&wrap::generate().unwrap(), [recipient.as_str()], "session key").unwrap();
    assert!(matches!(wrap::unwrap(&wrapped, remote.keys(), "session key"), Err(EscrowError::AgentGone { .. })));
}
