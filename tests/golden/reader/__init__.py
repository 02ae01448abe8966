"""Reads what docs/protocol.md describes, written from that document alone. Shares no line with the Rust."""
