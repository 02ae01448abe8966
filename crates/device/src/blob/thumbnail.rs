//! A small picture of a photo. Whatever the photo's bytes say, it costs bounded memory and never more than the thumbnail.

use std::io::{BufRead, Cursor, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use daftar_wire::limits::THUMBNAIL_BYTES_MAX;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

/// The longer side, in pixels.
const SIDE_MAX: u32 = 320;
/// A photo whose sides are longer gets no thumbnail.
const PHOTO_SIDE_MAX: u32 = 16_384;
/// A photo that takes more bytes in memory gets none.
const PHOTO_ALLOC_MAX: u64 = 256 * 1024 * 1024;
/// The first that is small enough is taken.
const QUALITIES: [u8; 3] = [75, 55, 30];

/// A JPEG that stands for the JPEG or PNG in `source`; `None`: it cannot be read, or asks for more memory than a photo does.
pub(crate) fn thumbnail(source: impl BufRead + Seek) -> Option<Vec<u8>> {
    // A decoder that stumbles over crafted bytes costs the thumbnail, not the record.
    catch_unwind(AssertUnwindSafe(|| small(source))).ok().flatten()
}

fn small(source: impl BufRead + Seek) -> Option<Vec<u8>> {
    let mut reader = ImageReader::new(source).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(PHOTO_SIDE_MAX), Some(PHOTO_SIDE_MAX));
    limits.max_alloc = Some(PHOTO_ALLOC_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    if decoder.total_bytes() > PHOTO_ALLOC_MAX {
        return None;
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).ok()?.thumbnail(SIDE_MAX, SIDE_MAX);
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let picture = picture.into_rgb8();
    QUALITIES.iter().find_map(|quality| {
        let mut out = Cursor::new(Vec::new());
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, *quality)).ok()?;
        Some(out.into_inner()).filter(|bytes| bytes.len() as u64 <= THUMBNAIL_BYTES_MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, RgbImage};

    use super::*;

    #[test]
    fn a_photo_gets_a_small_picture_and_a_bomb_gets_none() {
        let mut png = Cursor::new(Vec::new());
        RgbImage::from_fn(1200, 800, |x, y| image::Rgb([x as u8, y as u8, 9])).write_to(&mut png, ImageFormat::Png).expect("written");
        let bytes = png.into_inner();
        let small = thumbnail(Cursor::new(&bytes)).expect("a thumbnail");
        let read = image::load_from_memory(&small).expect("a picture");
        assert_eq!((read.width(), read.height()), (320, 213));
        // The head says 60,000 by 60,000 pixels: ten gigabytes.
        let mut bomb = bytes.clone();
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        // And this one stays within the sides: 16,000 by 16,000, 768 megabytes.
        let mut square = bytes.clone();
        square[16..24].copy_from_slice(&[0, 0, 0x3e, 0x80, 0, 0, 0x3e, 0x80]);
        for hostile in [bomb, square, bytes[..300].to_vec(), vec![0xff, 0xd8, 0xff, 0, 1], Vec::new()] {
            assert_eq!(thumbnail(Cursor::new(&hostile)), None);
        }
        for at in (0..bytes.len()).step_by(bytes.len() / 60) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x5a;
            let _ = thumbnail(Cursor::new(&flipped));
        }
    }
}
