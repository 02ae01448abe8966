//! A screen for the real window where there is none: Xvfb, and what it shows as a picture. Never touches a real display.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::child::{self, Running};

/// Larger than any window of ours, which has no border here.
const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1200;

/// Is there a display to open a window on?
pub fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// An X server without a monitor. It ends when this is dropped.
pub struct Screen {
    display: String,
    picture: Option<PathBuf>,
    server: Running,
}

impl Screen {
    /// With a folder, the server keeps its picture there.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let mut command = Command::new("Xvfb");
        let size = format!("{WIDTH}x{HEIGHT}x24");
        // The server itself picks a display that is free, and says which.
        command.args(["-displayfd", "1", "-screen", "0", &size, "-nolisten", "tcp", "-noreset"]);
        if let Some(folder) = folder {
            command.arg("-fbdir").arg(folder);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Running::start(&mut command, "Xvfb")?;
        let mut number = String::new();
        if let Some(stream) = server.output() {
            BufReader::new(stream).read_line(&mut number).context("Xvfb did not say its display")?;
        }
        let number = number.trim();
        ensure!(!number.is_empty(), "Xvfb did not start");
        let picture = folder.map(|folder| folder.join("Xvfb_screen0"));
        Ok(Self { display: format!(":{number}"), picture, server })
    }

    /// Has a program open its windows here: no accessibility bus, no graphics card.
    pub fn lend(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.display)
            .env_remove("WAYLAND_DISPLAY")
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
    }

    /// Waits until something is shown and stands still, then writes it as PNG.
    pub fn shoot(&mut self, window: &mut Running, patience: Duration, to: &Path) -> Result<()> {
        let until = Instant::now() + patience;
        let mut before: Option<Picture> = None;
        while Instant::now() < until {
            child::rest(Duration::from_millis(700))?;
            for one in [&mut *window, &mut self.server] {
                if let Some(status) = one.ended()? {
                    bail!("{} ended before it showed anything ({status})", one.name());
                }
            }
            let Some(path) = &self.picture else {
                bail!("this screen keeps no picture");
            };
            let now = Picture::from_xwd(&fs::read(path).context("reading the screen")?)?;
            if now.is_drawn() && before.as_ref().is_some_and(|before| before.rgb == now.rgb) {
                return now.cropped().write(to);
            }
            before = Some(now);
        }
        bail!("nothing was shown within {} s", patience.as_secs());
    }
}

/// What a screen shows, three bytes a point.
#[derive(Debug)]
struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Reads the form in which Xvfb keeps its screen (X window dump, version 7, 32 bits a point).
    fn from_xwd(bytes: &[u8]) -> Result<Self> {
        let word = |index: usize| -> Result<usize> {
            let four = bytes.get(index * 4..index * 4 + 4).context("the screen's header is cut")?;
            Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]) as usize)
        };
        let (header, version, width, height) = (word(0)?, word(1)?, word(4)?, word(5)?);
        let (is_big_endian, bits, line, colours) = (word(7)? == 1, word(11)?, word(12)?, word(19)?);
        ensure!(version == 7 && bits == 32, "the screen is kept in an unknown form ({version}, {bits} bits)");
        let first = header + colours * 12;
        let mut rgb = Vec::with_capacity(width * height * 3);
        for row in 0..height {
            let start = first + row * line;
            let points = bytes.get(start..start + width * 4).context("the screen's picture is cut")?;
            for point in points.chunks_exact(4) {
                let bgr = if is_big_endian { [point[3], point[2], point[1]] } else { [point[0], point[1], point[2]] };
                rgb.extend([bgr[2], bgr[1], bgr[0]]);
            }
        }
        Ok(Self { width: u32::try_from(width)?, height: u32::try_from(height)?, rgb })
    }

    /// More than a window's plain ground: at least four colours.
    fn is_drawn(&self) -> bool {
        let mut colours: Vec<&[u8]> = Vec::new();
        for point in self.rgb.chunks_exact(3) {
            if !colours.contains(&point) {
                colours.push(point);
                if colours.len() > 3 {
                    return true;
                }
            }
        }
        false
    }

    /// Without the black ground around what is drawn.
    fn cropped(&self) -> Self {
        let (width, height) = (self.width as usize, self.height as usize);
        let is_lit = |x: usize, y: usize| self.rgb[(y * width + x) * 3..][..3] != [0, 0, 0];
        let columns: Vec<usize> = (0..width).filter(|x| (0..height).any(|y| is_lit(*x, y))).collect();
        let rows: Vec<usize> = (0..height).filter(|y| (0..width).any(|x| is_lit(x, *y))).collect();
        let ends = (columns.first(), columns.last(), rows.first(), rows.last());
        let (Some(&left), Some(&right), Some(&top), Some(&bottom)) = ends else {
            return Self { width: self.width, height: self.height, rgb: self.rgb.clone() };
        };
        let line = |y: usize| &self.rgb[(y * width + left) * 3..(y * width + right + 1) * 3];
        Self {
            // Both are within the width and height, which fit.
            width: (right - left + 1) as u32,
            height: (bottom - top + 1) as u32,
            rgb: (top..=bottom).flat_map(line).copied().collect(),
        }
    }

    fn write(&self, to: &Path) -> Result<()> {
        let file = fs::File::create(to).with_context(|| format!("writing {}", to.display()))?;
        let mut encoder = png::Encoder::new(file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish().with_context(|| format!("writing {}", to.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen of 2 × 1 points: one red, one blue.
    fn screen() -> Vec<u8> {
        let mut words = [0_u32; 25];
        (words[0], words[1], words[4], words[5]) = (104, 7, 2, 1);
        (words[11], words[12], words[19]) = (32, 8, 1);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend([0; 4 + 12]);
        bytes.extend([0, 0, 255, 0, 255, 0, 0, 0]);
        bytes
    }

    #[test]
    fn a_screen_is_read_with_its_colours_in_order() {
        let picture = Picture::from_xwd(&screen()).unwrap();
        assert_eq!((picture.width, picture.height), (2, 1));
        assert_eq!(picture.rgb, [255, 0, 0, 0, 0, 255]);
        assert!(!picture.is_drawn(), "two colours are a plain ground");
    }

    #[test]
    fn the_black_ground_around_a_window_is_cut_off() {
        let mut rgb = vec![0; 4 * 3 * 3];
        // Points (1, 1) and (2, 1) of 4 × 3.
        rgb[15..21].copy_from_slice(&[9, 8, 7, 6, 5, 4]);
        let picture = Picture { width: 4, height: 3, rgb }.cropped();
        assert_eq!((picture.width, picture.height), (2, 1));
        assert_eq!(picture.rgb, [9, 8, 7, 6, 5, 4]);
        let black = Picture { width: 1, height: 1, rgb: vec![0; 3] }.cropped();
        assert_eq!((black.width, black.height), (1, 1), "nothing drawn is left as it is");
    }

    #[test]
    fn a_cut_screen_is_an_error() {
        let bytes = screen();
        for length in [0, 50, 104, bytes.len() - 1] {
            Picture::from_xwd(&bytes[..length]).unwrap_err();
        }
    }
}
