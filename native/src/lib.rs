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
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    if sealing.len() != SEALING_BYTES as usize
        || aad.len() > MAX_AAD as usize
        || text.len() > MAX_TEXT as usize
    {
        return Err(out_of_bounds());
    }
    let (ciphertext, message) = sealing.split_at_mut(MESSAGE_AT as usize);
    let ciphertext = &mut ciphertext[..text.len()];
    let in_out = InOutBuf::new(text, ciphertext).map_err(|_| out_of_bounds())?;
    let tag = gcm
        .encrypt_inout_detached(&Nonce::from(*iv), aad, in_out)
        .map_err(|_| Error::from_reason("not sealed"))?;
    let mut at = 0;
    for (n, part) in [&iv[..], ciphertext, &tag[..]].into_iter().enumerate() {
        if n > 0 {
            message[at] = b'.';
            at += 1;
        }
        at += URL_SAFE_NO_PAD
            .encode_slice(part, &mut message[at..])
            .map_err(|_| out_of_bounds())?;
    }
    Ok(())
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
