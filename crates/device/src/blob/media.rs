//! What a file is, by how it begins. Never by what it is called: a name is data.

/// Beginnings that are known, with their media types and how a file of that sort is usually called.
const KNOWN: &[(usize, &[u8], &str, &str)] = &[
    (0, &[0xff, 0xd8, 0xff], "image/jpeg", "jpg"),
    (0, &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a], "image/png", "png"),
    (4, b"ftypheic", "image/heic", "heic"),
    (4, b"ftypmif1", "image/heic", "heic"),
    (0, b"GIF8", "image/gif", "gif"),
    (8, b"WEBP", "image/webp", "webp"),
    (4, b"ftyp", "video/mp4", "mp4"),
    (0, &[0x1a, 0x45, 0xdf, 0xa3], "video/webm", "webm"),
    (0, b"%PDF-", "application/pdf", "pdf"),
    (0, b"OggS", "audio/ogg", "ogg"),
    (0, b"ID3", "audio/mpeg", "mp3"),
];
const OTHER: &str = "application/octet-stream";

/// The media type of what begins so.
pub(crate) fn media_type(first: &[u8]) -> &'static str {
    let found = KNOWN.iter().find(|(at, magic, ..)| first.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    found.map_or(OTHER, |k| k.2)
}

/// Whether a photo's limit counts for it.
pub(crate) fn is_photo(media_type: &str) -> bool {
    media_type.starts_with("image/")
}

/// How a file of this media type is usually called.
pub(crate) fn extension(media_type: &str) -> &'static str {
    KNOWN.iter().find(|k| k.2 == media_type).map_or("bin", |k| k.3)
}
