use super::args::{null, text};
use super::boundary::{call, plain};
use super::handle::{Handle, Sole};
use super::result::firehose_result;
use super::status::firehose_status;
use crate::client::Setup;
use crate::credentials::{Credentials, Moment, Provider, failed};
use crate::error::Result;
use crate::log::{Level, Listener};
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Options for a client. Copied when a client is made from it: it may be changed or freed afterwards. One thread at a
/// time may use it.
pub struct firehose_config {
    _private: [u8; 0],
}

impl Handle for firehose_config {
    type Inner = Setup;
}

/// Where a host's own source of keys puts them. Valid during its callback only.
pub struct firehose_credentials {
    _private: [u8; 0],
}

impl Handle for firehose_credentials {
    type Inner = Given;
}

/// What a callback gave: `None` until it has, then the keys or what is wrong with them.
#[derive(Default)]
pub(super) struct Given(Option<std::result::Result<Credentials, &'static str>>);

/// A host's own source of keys. It calls firehose_credentials_set once, which copies, and returns 0; any other number
/// says that it failed and stands in the message of the call. It may run on any thread that makes a call, never on
/// two at once for one client, may take time (the callers wait only where there are no keys that are still good), must
/// not call the same client, and is not called any more once firehose_free has returned. Its time is not bounded by
/// operation_timeout_ms: it must return. No exception and no longjmp may leave it.
pub type firehose_credentials_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, out: *mut firehose_credentials) -> i32>;

/// A host's own log. Levels are those of syslog: 3 error, 4 warning, 6 information, 7 debugging. The message is one
/// sentence without a line break at its end, valid during the callback only, and holds no secret. It may run on any
/// thread, on several at once, must not call the same client, and is not called any more once firehose_free has
/// returned. No exception and no longjmp may leave it.
pub type firehose_log_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, message: *const c_char)>;

/// Makes a config in which nothing is set. The caller frees it with firehose_config_free. Does not block. NULL only
/// where a fault of the library was contained.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_config_new() -> *mut firehose_config {
    plain(std::ptr::null_mut(), || Sole::give(Setup::default()))
}

/// Sets an option; name and value are copied, and "" unsets it. An option comes before the environment, which comes
/// before the profile, which comes before the default. Does not block.
///
/// Returns FIREHOSE_OK, or FIREHOSE_INVALID_ARGUMENT for an unknown name (the message suggests the nearest) or a bad
/// value (the message says what is allowed); then nothing is changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_config_set(
    config: *mut firehose_config,
    name: *const c_char,
    value: *const c_char,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_config_set", result, |_| {
            let setup = Sole::borrow_mut(config).ok_or_else(|| null("config"))?;
            setup.config.set(text("name", name)?, text("value", value)?)
        })
    }
}

/// Lets the host give the keys: provider is called at the first call that needs keys and again shortly before they
/// expire, once for all threads. user_data is handed to it as it is and must live as long as the clients made from
/// this config. A NULL provider takes an earlier one back. Does not block. Keys as options and a provider exclude each
/// other: firehose_client_new refuses both.
///
/// Returns FIREHOSE_OK or FIREHOSE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_config_set_credentials_provider(
    config: *mut firehose_config,
    provider: firehose_credentials_fn,
    user_data: *mut c_void,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_config_set_credentials_provider", result, |_| {
            let setup = Sole::borrow_mut(config).ok_or_else(|| null("config"))?;
            let source = provider.map(|function| HostKeys { function, user_data: UserData(user_data) });
            setup.provider = source.map(|source| Arc::new(source) as Arc<dyn Provider>);
            Ok(())
        })
    }
}

/// Lets the host have the library's log: lines up to level (3 error, 4 warning, 6 information, 7 debugging; 0 for
/// none). It comes before the options log_fd and log_level, which need no callback. user_data is handed to log as it
/// is and must live as long as the clients made from this config. A NULL log takes an earlier one back. Does not block.
///
/// Returns FIREHOSE_OK or FIREHOSE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_config_set_log(
    config: *mut firehose_config,
    level: i32,
    log: firehose_log_fn,
    user_data: *mut c_void,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_config_set_log", result, |_| {
            let setup = Sole::borrow_mut(config).ok_or_else(|| null("config"))?;
            let level = Level::parse(level)?;
            let listener = log.map(|function| listener(function, UserData(user_data)));
            setup.log = listener.map(|listener| (level, listener));
            Ok(())
        })
    }
}

/// Gives keys from within a firehose_credentials_fn. All strings are copied. session_token is NULL or "" for keys that
/// have none; expires_at is in seconds since 1970, 0 for keys that never expire. What is called last counts. NULL or
/// malformed keys make the call that needed them fail with FIREHOSE_CREDENTIALS_FAILED. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_credentials_set(
    out: *mut firehose_credentials,
    access_key_id: *const c_char,
    secret_access_key: *const c_char,
    session_token: *const c_char,
    expires_at: i64,
) {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    plain((), || unsafe {
        if let Some(given) = Sole::borrow_mut(out) {
            let read = |pointer: *const c_char| match pointer.is_null() {
                true => Ok(""),
                false => CStr::from_ptr(pointer).to_str().map_err(|_| "a part of them is not UTF-8"),
            };
            let parts = (read(access_key_id), read(secret_access_key), read(session_token));
            given.0 = Some(match parts {
                (Ok(id), Ok(secret), Ok(token)) => {
                    Credentials::checked(id, secret, Some(token), (expires_at != 0).then_some(expires_at))
                }
                (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => Err(why),
            });
        }
    });
}

/// Frees a config. NULL is ignored. Clients made from it go on as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_config_free(config: *mut firehose_config) {
    // SAFETY: the header's contract.
    plain((), || unsafe { Sole::free(config) });
}

/// What a host wants to find again in its callback.
#[derive(Clone, Copy)]
struct UserData(*mut c_void);

// SAFETY: the library only hands the pointer back; the header says on which threads.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    fn get(self) -> *mut c_void {
        self.0
    }
}

struct HostKeys {
    function: unsafe extern "C" fn(*mut c_void, *mut firehose_credentials) -> i32,
    user_data: UserData,
}

impl Provider for HostKeys {
    fn fetch(&self, _: &Moment<'_>) -> Result<Credentials> {
        let mut given = Given::default();
        let out = (&raw mut given).cast::<firehose_credentials>();
        // SAFETY: the host's function, called as the header says; `out` is valid during the call.
        let code = unsafe { (self.function)(self.user_data.get(), out) };
        match (code, given.0) {
            (0, Some(Ok(keys))) => Ok(keys),
            (0, Some(Err(why))) => Err(failed(&self.name(), why)),
            (0, None) => Err(failed(&self.name(), "it returned 0 without calling firehose_credentials_set")),
            (code, _) => Err(failed(&self.name(), &format!("it returned {code}"))),
        }
    }

    fn name(&self) -> String {
        "the host's callback".into()
    }
}

fn listener(
    function: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    user_data: UserData,
) -> Arc<Listener> {
    Arc::new(move |level, line| {
        // A NUL inside would cut the line.
        let line =
            Zeroizing::new(CString::new(line.replace('\0', " ")).unwrap_or_default().into_bytes_with_nul());
        // SAFETY: the host's function, called as the header says; the line is valid during the call.
        unsafe { function(user_data.get(), level as i32, line.as_ptr().cast()) };
    })
}
