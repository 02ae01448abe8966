//! Headquarters' folder and the keys in it, apart from the database. The one place that makes and reads them; never prints one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use daftar_wire::seal::{OpeningKey, SealingKey, key_pair};
use daftar_wire::sign::SigningKey;
use zeroize::Zeroizing;

use crate::ca::{self, Authority};
use crate::error::{Error, Result};
use crate::random::random;
use crate::store::DatabaseKey;

/// Where things stand under `--data`.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at this path; nothing is looked at yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Feeds, streams, people.
    pub fn database(&self) -> PathBuf {
        self.0.join("daftar.db")
    }

    /// What the console reads; may be deleted.
    pub fn projection(&self) -> PathBuf {
        self.0.join("projection.db")
    }

    /// What was revoked; kept apart from the database and its backups.
    pub fn revocations(&self) -> PathBuf {
        self.0.join("revocations")
    }

    /// What was erased by order; kept apart from the database and its backups.
    pub fn erasures(&self) -> PathBuf {
        self.0.join("erasures")
    }

    /// Photos and other files, encrypted.
    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    /// Who serves holds this locked, and who puts another database in its place.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Is alone in the folder as long as the file is held; refused if another process serves or restores.
    pub fn hold(&self) -> Result<fs::File> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.lock())?;
        file.try_lock().map_err(|_| Error::Refused(format!("another daftar-server is at work in {}", self.0.display())))?;
        Ok(file)
    }

    /// The key of backups, made when it is first asked for.
    pub(crate) fn backup_key(&self) -> Result<DatabaseKey> {
        let path = self.key("backup");
        if !path.exists() {
            keep(&path, Zeroizing::new(random::<32>()?).as_slice())?;
        }
        let bytes = Zeroizing::new(fs::read(&path)?);
        let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::Damaged("key `backup`".into()))?;
        Ok(Zeroizing::new(*bytes))
    }

    fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(name)
    }
}

/// Makes a file readable by its owner alone.
pub(crate) fn private_file(path: &Path) -> Result<()> {
    set_mode(path, 0o600)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> Result<()> {
    Ok(())
}

/// What headquarters signs, seals and proves itself with.
pub struct Keys {
    /// The databases' key.
    pub(crate) database: DatabaseKey,
    /// Receipts, verdicts and the own stream.
    pub signing: SigningKey,
    /// What devices seal to headquarters is opened with this.
    pub opening: OpeningKey,
    /// Its public half.
    pub sealing: SealingKey,
    /// The certificate authority.
    pub(crate) authority: Authority,
    /// The servers' certificate (DER).
    pub(crate) tls_certificate: Vec<u8>,
    /// Its key (PKCS#8).
    pub(crate) tls_key: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// Makes all keys of a new headquarters at `host` and keeps them.
    pub(crate) fn make(folder: &Folder, host: &str) -> Result<Self> {
        let keys = folder.0.join("keys");
        fs::create_dir_all(&keys)?;
        set_mode(folder.path(), 0o700)?;
        set_mode(&keys, 0o700)?;
        for name in ["database", "backup", "signing", "sealing"] {
            keep(&folder.key(name), Zeroizing::new(random::<32>()?).as_slice())?;
        }
        let (authority, tls_certificate, tls_key) = ca::found(host)?;
        keep(&folder.key("ca.der"), authority.certificate())?;
        keep(&folder.key("ca.key"), &authority.key_pkcs8())?;
        keep(&folder.key("tls.der"), &tls_certificate)?;
        keep(&folder.key("tls.key"), &tls_key)?;
        Self::read(folder)
    }

    /// Reads the keys.
    pub fn read(folder: &Folder) -> Result<Self> {
        let get = |name: &str| -> Result<Zeroizing<Vec<u8>>> {
            let path = folder.key(name);
            if !path.exists() {
                let (folder, path) = (folder.path().display(), path.display());
                return Err(Error::Refused(format!("{folder} is not headquarters' folder: {path} is not there")));
            }
            let bytes = fs::read(&path)?;
            Ok(Zeroizing::new(bytes))
        };
        let fixed = |name: &str| -> Result<Zeroizing<[u8; 32]>> {
            let bytes = get(name)?;
            let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::Damaged(format!("key `{name}`")))?;
            Ok(Zeroizing::new(*bytes))
        };
        let (opening, sealing) = key_pair(&*fixed("sealing")?);
        Ok(Self {
            database: fixed("database")?,
            signing: SigningKey::from_bytes(&*fixed("signing")?),
            opening,
            sealing,
            authority: Authority::read(get("ca.der")?.to_vec(), &get("ca.key")?)?,
            tls_certificate: get("tls.der")?.to_vec(),
            tls_key: get("tls.key")?,
        })
    }
}

/// Writes a new file that only its owner can read, and makes sure that it is there.
fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
