//! Every limit of the protocol by name. Both ends check them, before anything is allocated.

/// Changes in one segment.
pub const SEGMENT_CHANGES_MAX: u32 = 256;
/// Bytes of one segment's changes before compression.
pub const SEGMENT_PLAIN_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of one item as it travels: a segment, with what stands round it.
pub const ITEM_BYTES_MAX: u64 = 1024 * 1024 + 64 * 1024;
/// Runs, heads, attestations and erasures that one segment may list.
pub const SEGMENT_LIST_MAX: u64 = SEGMENT_CHANGES_MAX as u64;
/// Elements of keyed lists in one segment.
pub const SEGMENT_ELEMENTS_MAX: usize = 64 * 1024;
/// Columns in one segment.
pub const SEGMENT_COLUMNS_MAX: usize = 4096;
/// Depth of a value: a list of groups of lists is three.
pub const VALUE_DEPTH_MAX: u32 = 8;
/// Compartments in one hello, receipt or end.
pub const COMPARTMENTS_MAX: u64 = 4096;
/// Closed ranges in one cursor.
pub const CURSOR_RANGES_MAX: u64 = 64;
/// Streams in one receipt.
pub const RECEIPT_STREAMS_MAX: u64 = 4096;
/// Officers unlocked at once on one device.
pub const HELLO_OFFICERS_MAX: u64 = 16;
/// Messages of cut answers that a hello says to hold the beginnings of.
pub const BEGUN_MAX: usize = 16;
/// Names in one verdict.
pub const VERDICT_NAMES_MAX: u64 = SEGMENT_CHANGES_MAX as u64;
/// Bytes of an enrolment request or reply.
pub const ENROL_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of a name in an enrolment.
pub const ENROL_TEXT_BYTES_MAX: usize = 200;
/// Streams and branches in one comparison of heads.
pub const HEADS_MAX: u64 = 16 * 1024;
/// Bytes of a compartment's key as it is sealed to somebody.
pub const SEALED_KEY_BYTES_MAX: u64 = 1024;
/// Compartments that one admission opens.
pub const ADMISSION_COMPARTMENTS_MAX: u64 = 64;
/// Bytes of one courier pack: what fits into a file on any stick.
pub const PACK_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024 - 1;
/// Bytes of frames after which nothing more is begun in a courier pack; what is left goes into the next one.
pub const PACK_FRAMES_BYTES_MAX: u64 = 3 * 1024 * 1024 * 1024;
/// Bytes of files that a courier pack takes along unless its writer says otherwise, and that an answer brings at most.
pub const PACK_FILES_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Plain bytes in one chunk of a courier pack.
pub const PACK_CHUNK_PLAIN_BYTES: usize = 64 * 1024;
/// Bytes of one item of a courier pack: a chunk with its mark and tag, or a section's seals.
pub const PACK_ITEM_BYTES_MAX: u64 = 96 * 1024;
/// Sections in one courier pack.
pub const PACK_SECTIONS_MAX: u64 = 4096;
/// Readers of one section.
pub const PACK_READERS_MAX: u64 = 256;
/// Bytes of one chunk of a file; the last is shorter.
pub const FILE_CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of one file.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of one photo.
pub const PHOTO_BYTES_MAX: u64 = 40 * 1024 * 1024;
/// Bytes of a thumbnail.
pub const THUMBNAIL_BYTES_MAX: u64 = 64 * 1024;
/// Chunks of one file.
pub const FILE_CHUNKS_MAX: u32 = (FILE_BYTES_MAX / FILE_CHUNK_BYTES as u64) as u32;
/// Files in one receipt.
pub const FILE_RECEIPT_FILES_MAX: u64 = 4096;
/// Files that one exchange may offer, and files that it may want.
pub const FILE_EXCHANGE_FILES_MAX: usize = 4096;
