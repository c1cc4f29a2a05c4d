//! AES-256-GCM for short messages. JavaScript owns one scratch buffer, writes a message's parts to
//! fixed places in it, and makes one call. Nothing is allocated, and no part is passed by itself:
//! with node:crypto the objects of one message cost ten times its encryption.
//!
//! Every length is checked here, whatever JavaScript checked before. The binding's macros and the
//! crates contain `unsafe` code, this file contains none.

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes256Enc;
use aes_gcm::{AesGcm, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use napi::bindgen_prelude::{Error, External, Result};
use napi_derive::napi;
use zeroize::{Zeroize, Zeroizing};

type Gcm = AesGcm<Aes256Enc, U12>;
/// An alias, since the binding accepts a reference to a slice only by another name.
type Scratch<'a> = &'a mut [u8];

const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The layout of the scratch buffer: key of one use, additional data, IV, text with its tag, and
/// the sealed message.
#[napi]
pub const KEY_AT: u32 = 0;
#[napi]
pub const KEY_BYTES: u32 = 32;
#[napi]
pub const AAD_AT: u32 = KEY_AT + KEY_BYTES;
#[napi]
pub const MAX_AAD: u32 = 2_048;
#[napi]
pub const IV_AT: u32 = AAD_AT + MAX_AAD;
#[napi]
pub const TEXT_AT: u32 = IV_AT + IV_BYTES as u32;
/// Longer texts take node:crypto, which is as fast from 8 KiB on.
#[napi]
pub const MAX_TEXT: u32 = 4_096;
#[napi]
pub const MESSAGE_AT: u32 = TEXT_AT + MAX_TEXT + TAG_BYTES as u32;
#[napi]
pub const SCRATCH_BYTES: u32 = MESSAGE_AT + message_bytes(MAX_TEXT);

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
        return Err(Error::from_reason("a key has 32 bytes"));
    }
    key.copy_from_slice(bytes);
    Ok(External::new(Key(key)))
}

/// Seals the text with its additional data: writes `IV.CIPHERTEXT.TAG`. Of the text nothing stays.
#[napi]
pub fn seal(key: &External<Key>, scratch: Scratch, aad: u32, text: u32) -> Result<()> {
    seal_with(&Gcm::new((&*key.0).into()), Parts::of(scratch, aad, text)?)
}

/// Does the same with the key of one use in the scratch buffer, which it overwrites.
#[napi]
pub fn seal_once(scratch: Scratch, aad: u32, text: u32) -> Result<()> {
    let parts = Parts::of(scratch, aad, text)?;
    let gcm = take_key(parts.key)?;
    seal_with(&gcm, parts)
}

/// Opens the ciphertext, which its tag follows, in its place. Returns false for a wrong tag, with
/// the ciphertext as it was.
#[napi]
pub fn open(key: &External<Key>, scratch: Scratch, aad: u32, text: u32) -> Result<bool> {
    Ok(open_with(
        &Gcm::new((&*key.0).into()),
        Parts::of(scratch, aad, text)?,
    ))
}

/// Does the same with the key of one use in the scratch buffer, which it overwrites.
#[napi]
pub fn open_once(scratch: Scratch, aad: u32, text: u32) -> Result<bool> {
    let parts = Parts::of(scratch, aad, text)?;
    let gcm = take_key(parts.key)?;
    Ok(open_with(&gcm, parts))
}

/// The parts of one message in the scratch buffer.
struct Parts<'a> {
    key: &'a mut [u8],
    aad: &'a [u8],
    iv: &'a [u8; IV_BYTES],
    text: &'a mut [u8],
    tag: &'a mut [u8; TAG_BYTES],
    message: &'a mut [u8],
}

impl<'a> Parts<'a> {
    fn of(scratch: Scratch<'a>, aad: u32, text: u32) -> Result<Self> {
        if scratch.len() != SCRATCH_BYTES as usize || aad > MAX_AAD || text > MAX_TEXT {
            return Err(Error::from_reason("a length is out of bounds"));
        }
        let (key, rest) = scratch.split_at_mut(KEY_BYTES as usize);
        let (all_aad, rest) = rest.split_at_mut(MAX_AAD as usize);
        let (iv, rest) = rest.split_first_chunk_mut().ok_or_else(too_short)?;
        let (text_and_tag, message) = rest.split_at_mut(MAX_TEXT as usize + TAG_BYTES);
        let (text, rest) = text_and_tag.split_at_mut(text as usize);
        let (tag, _) = rest.split_first_chunk_mut().ok_or_else(too_short)?;
        Ok(Self {
            key,
            aad: &all_aad[..aad as usize],
            iv,
            text,
            tag,
            message,
        })
    }
}

fn too_short() -> Error {
    Error::from_reason("the scratch buffer is too short")
}

fn take_key(bytes: &mut [u8]) -> Result<Gcm> {
    let gcm = Gcm::new_from_slice(bytes).map_err(|_| Error::from_reason("a key has 32 bytes"));
    bytes.zeroize();
    gcm
}

fn seal_with(
    gcm: &Gcm,
    Parts {
        aad,
        iv,
        text,
        message,
        ..
    }: Parts,
) -> Result<()> {
    let tag = gcm
        .encrypt_inout_detached(&Nonce::from(*iv), aad, (&mut *text).into())
        .map_err(|_| Error::from_reason("not sealed"))?;
    let mut at = 0;
    for (n, part) in [&iv[..], text, &tag[..]].into_iter().enumerate() {
        if n > 0 {
            message[at] = b'.';
            at += 1;
        }
        at += URL_SAFE_NO_PAD
            .encode_slice(part, &mut message[at..])
            .map_err(|_| too_short())?;
    }
    Ok(())
}

fn open_with(
    gcm: &Gcm,
    Parts {
        aad, iv, text, tag, ..
    }: Parts,
) -> bool {
    gcm.decrypt_inout_detached(&Nonce::from(*iv), aad, text.into(), &Tag::from(*tag))
        .is_ok()
}
