//! How long and how much another device may take. Never looks at what it says.

use std::time::Duration;

use daftar_wire::limits::HEADS_MAX;

/// A TLS handshake is over, and a request's first byte and header are there, in so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Connecting to a device takes so long at most.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Who has nothing else to say says so often that he is there.
pub(super) const HERE_EVERY: Duration = Duration::from_secs(10);
/// Nothing was heard for so long: nobody is there.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30);
/// An exchange takes so long at most; the next goes on from where it was.
pub(super) const EXCHANGE_MAX: Duration = Duration::from_secs(30 * 60);
/// Connections at once.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// Connections at once from one address.
pub(super) const CONNECTIONS_EACH_MAX: usize = 4;
/// Exchanges at once; with each device one.
pub(super) const EXCHANGES_MAX: usize = 4;
/// Bytes of a request's header, and of what is read or written at once.
pub(super) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Lines of a request's header.
pub(super) const HEADERS_MAX: usize = 32;
/// Streams that one exchange may have compared.
pub(super) const COMPARED_MAX: usize = 4 * HEADS_MAX as usize;
/// Compartments that one exchange may have compared.
pub(super) const COMPARTMENTS_COMPARED_MAX: usize = 4096;
/// Messages between the link and the store, each way; the link waits behind them.
pub(super) const MESSAGES_WAITING: usize = 4;
/// Devices that one search finds at most: whoever shouts more names is not listened to.
pub(super) const FOUND_MAX: usize = 64;
/// Bytes of files that one exchange asks for, about; the next asks for the rest.
pub(super) const FILES_BYTES_MAX: u64 = 1024 * 1024 * 1024;
