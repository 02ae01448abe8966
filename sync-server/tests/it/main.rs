//! The server as devices meet it: the service in the process, and the whole of it over TLS on loopback.

mod access;
mod admission;
mod commands;
mod console;
mod enrolment;
mod exchange;
mod feeds;
mod files;
mod matrix;
mod overtls;
mod projection;
mod support;
mod verdicts;
