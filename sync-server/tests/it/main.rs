//! The server as devices meet it: the service in the process, and the whole of it over TLS on loopback.

mod console;
mod enrolment;
mod erasure;
mod exchange;
mod faults;
mod feeds;
mod lives;
mod overtls;
mod projection;
mod replica;
mod support;
