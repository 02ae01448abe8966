//! Which files a record names: its list of files, their thumbnails, and the photos of its other fields. Never touches a file's bytes.

use std::collections::BTreeMap;

use super::{ElementField, FILES, Kind, field};
use crate::ids::FileHash;
use crate::value::{ElementKey, Path, Value};

/// The field of an element of `FILES` that names its thumbnail.
const THUMBNAIL: u32 = 8;

/// What a file is to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRole {
    /// The small picture that stands for another file.
    Thumbnail,
    /// The file itself.
    Original,
}

/// A file that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Which.
    pub sha256: FileHash,
    /// What it is to the record.
    pub role: FileRole,
    /// Its name, as the officer knows it; for a photo of another field that field's name.
    pub name: Option<String>,
    /// Its media type, such as `image/jpeg`.
    pub media_type: Option<String>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// When it was taken, in milliseconds of UTC.
    pub taken_ms: Option<i64>,
    /// What the officer wrote under it.
    pub caption: Option<String>,
    /// The thumbnail that stands for it.
    pub thumbnail: Option<FileHash>,
}

impl FileRef {
    fn new(sha256: FileHash, role: FileRole) -> Self {
        Self { sha256, role, name: None, media_type: None, size_bytes: None, taken_ms: None, caption: None, thumbnail: None }
    }
}

/// The files that these fields name, each once: those of the list in the order of `shown`, its elements that are shown,
/// then photos of other fields, then thumbnails.
pub fn files(kind: Kind, fields: &BTreeMap<Path, Value>, shown: &[ElementKey], is_shown: &dyn Fn(&Path) -> bool) -> Vec<FileRef> {
    let mut all: Vec<FileRef> = Vec::new();
    if field(kind, FILES).is_some_and(|f| f.name == "files") {
        for key in shown {
            let found = element(fields, key).filter(|f| all.iter().all(|a| a.sha256 != f.sha256));
            all.extend(found);
        }
    }
    for (path, value) in fields.iter().filter(|(path, _)| is_shown(path)) {
        if let Some(sha256) = hash(value).filter(|_| is_photo(kind, path)).filter(|h| all.iter().all(|a| a.sha256 != *h)) {
            all.push(FileRef { name: Some("photo".into()), ..FileRef::new(sha256, FileRole::Original) });
        }
    }
    let mut thumbnails: Vec<FileHash> = all.iter().filter_map(|f| f.thumbnail).collect();
    thumbnails.sort_unstable();
    thumbnails.dedup();
    let only = thumbnails.into_iter().filter(|t| all.iter().all(|a| a.sha256 != *t)).map(|t| FileRef::new(t, FileRole::Thumbnail));
    let only: Vec<FileRef> = only.collect();
    all.extend(only);
    all
}

/// The thumbnails that these fields of a record or of a change name, whether their elements are shown or not.
pub fn thumbnails(kind: Kind, fields: &BTreeMap<Path, Value>) -> impl Iterator<Item = FileHash> + '_ {
    let has_files = field(kind, FILES).is_some_and(|f| f.name == "files");
    fields
        .iter()
        .filter(move |(path, _)| has_files && matches!(path, Path::Element(FILES, _, THUMBNAIL)))
        .filter_map(|(_, value)| hash(value))
}

fn element(fields: &BTreeMap<Path, Value>, key: &ElementKey) -> Option<FileRef> {
    let at = |number| fields.get(&Path::Element(FILES, key.clone(), number));
    let text = |number| if let Some(Value::Text(t)) = at(number) { Some(t.clone()).filter(|t| !t.is_empty()) } else { None };
    let int = |number| if let Some(Value::Int(n)) = at(number) { Some(*n) } else { None };
    Some(FileRef {
        name: text(3),
        media_type: text(4),
        size_bytes: int(5).and_then(|n| u64::try_from(n).ok()),
        taken_ms: int(6),
        thumbnail: at(THUMBNAIL).and_then(hash),
        caption: text(9),
        ..FileRef::new(at(2).and_then(hash)?, FileRole::Original)
    })
}

fn hash(value: &Value) -> Option<FileHash> {
    if let Value::Bytes(b) = value { FileHash::try_from(b.as_slice()).ok() } else { None }
}

fn is_photo(kind: Kind, path: &Path) -> bool {
    match path {
        Path::Field(number) => field(kind, *number).is_some_and(|f| f.name == "photo"),
        Path::Element(list, _, number) => match field(kind, *list).and_then(|f| f.shape.element(*number)) {
            Some(ElementField::Field(f)) => f.name == "photo",
            Some(ElementField::Removed | ElementField::Place) | None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_each_file_once_whatever_fields_name_it() {
        let bytes = |n: u8| Value::Bytes(vec![n; 32]);
        let keys = [ElementKey::Given(2), ElementKey::Given(1)];
        let at = |n: usize, number| Path::Element(FILES, keys[n].clone(), number);
        let fields: BTreeMap<_, _> = [
            (at(0, 2), bytes(7)),
            (at(0, 3), Value::Text("boot.jpg".into())),
            (at(0, 5), Value::Int(9)),
            (at(0, 8), bytes(8)),
            (at(1, 2), bytes(6)),
            (at(1, 8), bytes(8)),
            (Path::Element(29, ElementKey::Given(1), 19), bytes(7)),
            (Path::Element(29, ElementKey::Given(2), 19), bytes(5)),
            (Path::Element(29, ElementKey::Given(3), 19), Value::Bytes(vec![1; 20])),
        ]
        .into();
        let found = files(Kind::Inspection, &fields, &keys, &|_| true);
        let told: Vec<_> = found.iter().map(|f| (f.sha256.0[0], f.role, f.name.as_deref())).collect();
        let original = FileRole::Original;
        assert_eq!(
            told,
            [(7, original, Some("boot.jpg")), (6, original, None), (5, original, Some("photo")), (8, FileRole::Thumbnail, None)],
            "in the order shown, what is no hash left out"
        );
        assert_eq!((found[0].size_bytes, found[0].thumbnail), (Some(9), Some(FileHash([8; 32]))));
        assert_eq!(thumbnails(Kind::Inspection, &fields).map(|t| t.0[0]).collect::<Vec<_>>(), [8, 8]);
        assert!(files(Kind::Officer, &fields, &keys, &|_| true).is_empty(), "a kind without a list of files has none");
        assert_eq!(thumbnails(Kind::Officer, &fields).count(), 0);
    }
}
