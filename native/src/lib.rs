//! AES-256-GCM for short messages. A message's parts are read where JavaScript has them and written
//! where it wants them, in one call: with node:crypto the objects of one message cost ten times its
//! encryption.
//!
//! Every length is checked here, whatever JavaScript checked before. The binding's macros and the
//! crates contain `unsafe` code, this file contains none.

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes256Enc;
use aes_gcm::{AesGcm, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};
use napi::bindgen_prelude::{Error, External, Result};
use napi_derive::napi;
use zeroize::Zeroizing;

type Gcm = AesGcm<Aes256Enc, U12>;
/// An alias, since the binding accepts a reference to a slice only by another name.
type Target<'a> = &'a mut [u8];

const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

#[napi]
pub const KEY_BYTES: u32 = 32;
#[napi]
pub const MAX_AAD: u32 = 2_048;
/// Longer texts take node:crypto, which is as fast from 8 KiB on.
#[napi]
pub const MAX_TEXT: u32 = 4_096;
/// Place of the sealed message in the memory for sealing; before it is the ciphertext.
#[napi]
pub const MESSAGE_AT: u32 = MAX_TEXT;
#[napi]
pub const SEALING_BYTES: u32 = MESSAGE_AT + message_bytes(MAX_TEXT);

/// Length of `IV.CIPHERTEXT.TAG` in base64url without padding.
const fn message_bytes(text: u32) -> u32 {
    16 + 1 + (text * 4).div_ceil(3) + 1 + 22
}

/// A lasting key. It is overwritten when JavaScript's collector drops it. Its expansion takes 0.1 µs
/// and 1 KiB, so it is made for each message: many thousands of keys are in memory.
pub struct Key(Zeroizing<[u8; KEY_BYTES as usize]>);

/// Returns a lasting key of 32 bytes. The caller overwrites its own copy.
#[napi]
pub fn new_key(bytes: &[u8]) -> Result<External<Key>> {
    let mut key = Zeroizing::new([0; KEY_BYTES as usize]);
    if bytes.len() != key.len() {
        return Err(no_key());
    }
    key.copy_from_slice(bytes);
    Ok(External::new(Key(key)))
}

/// Seals the text with its additional data: writes `IV.CIPHERTEXT.TAG` to the memory for sealing.
#[napi]
pub fn seal(
    key: &External<Key>,
    aad: &[u8],
    iv: &[u8],
    text: &[u8],
    sealing: Target,
) -> Result<()> {
    seal_with(&Gcm::new((&*key.0).into()), aad, iv, text, sealing)
}

/// Does the same with a key of one use, which the caller overwrites.
#[napi]
pub fn seal_once(key: &[u8], aad: &[u8], iv: &[u8], text: &[u8], sealing: Target) -> Result<()> {
    seal_with(&gcm_of(key)?, aad, iv, text, sealing)
}

/// Opens a message: IV, ciphertext and tag follow one another from `at` on. Writes the text, which
/// is as long as the ciphertext. Returns false for a wrong tag and writes nothing.
#[napi]
pub fn open(key: &External<Key>, aad: &[u8], bytes: &[u8], at: u32, text: Target) -> Result<bool> {
    open_with(&Gcm::new((&*key.0).into()), aad, bytes, at, text)
}

/// Does the same with a key of one use, which the caller overwrites.
#[napi]
pub fn open_once(key: &[u8], aad: &[u8], bytes: &[u8], at: u32, text: Target) -> Result<bool> {
    open_with(&gcm_of(key)?, aad, bytes, at, text)
}

/// Seals texts that follow one another; `ends` has the end of each. Writes for each one `before`,
/// `IV.CIPHERTEXT.TAG` and `after`, with commas between them, which fill the answer.
#[napi]
#[allow(clippy::too_many_arguments)] // one object of them costs more than a short text
pub fn seal_texts(
    key: &External<Key>,
    aad: &[u8],
    ivs: &[u8],
    texts: &[u8],
    ends: &[u32],
    before: &[u8],
    after: &[u8],
    answer: Target,
) -> Result<()> {
    let gcm = Gcm::new((&*key.0).into());
    seal_list(
        &gcm,
        aad,
        ivs,
        Parts::new(texts, ends),
        [before, after],
        answer,
    )
}

/// Does the same with a key of one use, which the caller overwrites.
#[napi]
#[allow(clippy::too_many_arguments)]
pub fn seal_texts_once(
    key: &[u8],
    aad: &[u8],
    ivs: &[u8],
    texts: &[u8],
    ends: &[u32],
    before: &[u8],
    after: &[u8],
    answer: Target,
) -> Result<()> {
    let gcm = gcm_of(key)?;
    seal_list(
        &gcm,
        aad,
        ivs,
        Parts::new(texts, ends),
        [before, after],
        answer,
    )
}

/// Opens messages that follow one another, each as IV, ciphertext and tag. Writes for each one
/// `before`, the text in base64 and `after`, with commas between them, which fill the answer.
/// Returns false for a wrong tag; the answer is then overwritten.
#[napi]
pub fn open_texts(
    key: &External<Key>,
    aad: &[u8],
    bytes: &[u8],
    ends: &[u32],
    before: &[u8],
    after: &[u8],
    answer: Target,
) -> Result<bool> {
    let gcm = Gcm::new((&*key.0).into());
    open_list(&gcm, aad, Parts::new(bytes, ends), [before, after], answer)
}

/// Does the same with a key of one use, which the caller overwrites.
#[napi]
pub fn open_texts_once(
    key: &[u8],
    aad: &[u8],
    bytes: &[u8],
    ends: &[u32],
    before: &[u8],
    after: &[u8],
    answer: Target,
) -> Result<bool> {
    let gcm = gcm_of(key)?;
    open_list(&gcm, aad, Parts::new(bytes, ends), [before, after], answer)
}

/// Opens messages that follow one another, each as IV, ciphertext and tag. Writes their texts, which
/// fill the target. Returns false for a wrong tag; the target is then overwritten.
#[napi]
pub fn open_all(
    key: &External<Key>,
    aad: &[u8],
    bytes: &[u8],
    ends: &[u32],
    texts: Target,
) -> Result<bool> {
    open_parts(
        &Gcm::new((&*key.0).into()),
        aad,
        Parts::new(bytes, ends),
        texts,
    )
}

/// Does the same with a key of one use, which the caller overwrites.
#[napi]
pub fn open_all_once(
    key: &[u8],
    aad: &[u8],
    bytes: &[u8],
    ends: &[u32],
    texts: Target,
) -> Result<bool> {
    open_parts(&gcm_of(key)?, aad, Parts::new(bytes, ends), texts)
}

fn seal_list(
    gcm: &Gcm,
    aad: &[u8],
    ivs: &[u8],
    texts: Parts,
    [before, after]: [&[u8]; 2],
    answer: Target,
) -> Result<()> {
    let (ivs, []) = ivs.as_chunks::<IV_BYTES>() else {
        return Err(out_of_bounds());
    };
    if ivs.len() != texts.ends.len() {
        return Err(out_of_bounds());
    }
    let mut scratch = [0; MAX_TEXT as usize];
    let mut out = Writer(answer);
    for (n, (iv, text)) in ivs.iter().zip(texts).enumerate() {
        out.bytes(if n > 0 { b"," } else { b"" })?;
        out.bytes(before)?;
        out.sealed(gcm, aad, iv, text?, &mut scratch)?;
        out.bytes(after)?;
    }
    out.0.is_empty().then_some(()).ok_or_else(out_of_bounds)
}

fn open_list(
    gcm: &Gcm,
    aad: &[u8],
    messages: Parts,
    [before, after]: [&[u8]; 2],
    answer: Target,
) -> Result<bool> {
    let mut scratch = Zeroizing::new([0; MAX_TEXT as usize]);
    let mut out = Writer(&mut *answer);
    for (n, message) in messages.enumerate() {
        let message = message?;
        let text = scratch.get_mut(..text_bytes(message)?);
        let text = text.ok_or_else(out_of_bounds)?;
        if !open_with(gcm, aad, message, 0, text)? {
            answer.fill(0);
            return Ok(false);
        }
        out.bytes(if n > 0 { b"," } else { b"" })?;
        out.bytes(before)?;
        out.base64(&STANDARD, text)?;
        out.bytes(after)?;
    }
    out.0.is_empty().then_some(true).ok_or_else(out_of_bounds)
}

fn open_parts(gcm: &Gcm, aad: &[u8], messages: Parts, texts: Target) -> Result<bool> {
    let mut out = Writer(&mut *texts);
    for message in messages {
        let message = message?;
        let text = out.take(text_bytes(message)?)?;
        if !open_with(gcm, aad, message, 0, text)? {
            texts.fill(0);
            return Ok(false);
        }
    }
    out.0.is_empty().then_some(true).ok_or_else(out_of_bounds)
}

/// Length of the text in IV, ciphertext and tag.
fn text_bytes(message: &[u8]) -> Result<usize> {
    let length = message.len().checked_sub(IV_BYTES + TAG_BYTES);
    length.ok_or_else(out_of_bounds)
}

/// The parts of a buffer that follow one another.
struct Parts<'a> {
    bytes: &'a [u8],
    ends: std::slice::Iter<'a, u32>,
    start: usize,
}

impl<'a> Parts<'a> {
    fn new(bytes: &'a [u8], ends: &'a [u32]) -> Self {
        let ends = ends.iter();
        Self {
            bytes,
            ends,
            start: 0,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = *self.ends.next()? as usize;
        let start = std::mem::replace(&mut self.start, end);
        Some(self.bytes.get(start..end).ok_or_else(out_of_bounds))
    }
}

fn gcm_of(key: &[u8]) -> Result<Gcm> {
    Gcm::new_from_slice(key).map_err(|_| no_key())
}

fn no_key() -> Error {
    Error::from_reason("a key has 32 bytes")
}

fn out_of_bounds() -> Error {
    Error::from_reason("a length is out of bounds")
}

fn seal_with(gcm: &Gcm, aad: &[u8], iv: &[u8], text: &[u8], sealing: Target) -> Result<()> {
    let iv: &[u8; IV_BYTES] = iv.try_into().map_err(|_| out_of_bounds())?;
    if sealing.len() != SEALING_BYTES as usize {
        return Err(out_of_bounds());
    }
    let (scratch, message) = sealing.split_at_mut(MESSAGE_AT as usize);
    Writer(message).sealed(gcm, aad, iv, text, scratch)
}

/// The part of a buffer that is not written yet.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    /// Seals a text and writes `IV.CIPHERTEXT.TAG`. The scratch gets the ciphertext.
    fn sealed(
        &mut self,
        gcm: &Gcm,
        aad: &[u8],
        iv: &[u8; IV_BYTES],
        text: &[u8],
        scratch: &mut [u8],
    ) -> Result<()> {
        if aad.len() > MAX_AAD as usize || text.len() > MAX_TEXT as usize {
            return Err(out_of_bounds());
        }
        let ciphertext = scratch.get_mut(..text.len()).ok_or_else(out_of_bounds)?;
        let in_out = InOutBuf::new(text, ciphertext).map_err(|_| out_of_bounds())?;
        let tag = gcm
            .encrypt_inout_detached(&Nonce::from(*iv), aad, in_out)
            .map_err(|_| Error::from_reason("not sealed"))?;
        self.base64(&URL_SAFE_NO_PAD, iv)?;
        self.bytes(b".")?;
        self.base64(&URL_SAFE_NO_PAD, ciphertext)?;
        self.bytes(b".")?;
        self.base64(&URL_SAFE_NO_PAD, &tag)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.take(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn base64(&mut self, alphabet: &GeneralPurpose, bytes: &[u8]) -> Result<()> {
        let length = alphabet
            .encode_slice(bytes, self.0)
            .map_err(|_| out_of_bounds())?;
        self.take(length).map(drop)
    }

    /// Returns the next so many bytes.
    fn take(&mut self, length: usize) -> Result<&mut [u8]> {
        self.0.split_off_mut(..length).ok_or_else(out_of_bounds)
    }
}

fn open_with(gcm: &Gcm, aad: &[u8], bytes: &[u8], at: u32, text: Target) -> Result<bool> {
    if aad.len() > MAX_AAD as usize || text.len() > MAX_TEXT as usize {
        return Err(out_of_bounds());
    }
    let sealed = bytes.get(at as usize..).ok_or_else(out_of_bounds)?;
    let (iv, rest) = sealed
        .split_first_chunk::<IV_BYTES>()
        .ok_or_else(out_of_bounds)?;
    let (ciphertext, rest) = rest
        .split_at_checked(text.len())
        .ok_or_else(out_of_bounds)?;
    let tag = rest.first_chunk::<TAG_BYTES>().ok_or_else(out_of_bounds)?;
    let in_out = InOutBuf::new(ciphertext, text).map_err(|_| out_of_bounds())?;
    Ok(gcm
        .decrypt_inout_detached(&Nonce::from(*iv), aad, in_out, &Tag::from(*tag))
        .is_ok())
}
