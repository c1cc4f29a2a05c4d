//! The least that a native server needs for the work of the benchmarks: JSON in, base64,
//! AES-256-GCM, the text of our messages, JSON out. No authentication, no checks of the caller, no
//! audit, one key, one thread. Prints its address when it listens.

use std::cell::RefCell;
use std::error::Error;
use std::io::Write;
use std::net::Ipv4Addr;
use std::rc::Rc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

type Failure = Box<dyn Error>;

const KEY_ID: &str = "https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const ENCRYPTED_KEY_BYTES: usize = 256;
/// Random bytes for the IVs of 1,024 messages.
const POOL_BYTES: usize = 1_024 * NONCE_LEN;

/// A single request or a batch. The texts are not copied out of the body.
#[derive(Deserialize)]
struct Body<'a> {
    items: Option<Vec<Body<'a>>>,
    plaintext: Option<&'a str>,
    ciphertext: Option<&'a str>,
}

struct Sealer {
    key: LessSafeKey,
    /// The first segment of each message, which is the additional authenticated data.
    header: String,
    /// The first two segments, with their dots.
    start: String,
    pool: Vec<u8>,
    drawn: usize,
    scratch: Vec<u8>,
}

impl Sealer {
    fn new() -> Result<Self, Failure> {
        let mut key = [0; 32];
        rand::fill(&mut key)?;
        let mut encrypted_key = [0; ENCRYPTED_KEY_BYTES];
        rand::fill(&mut encrypted_key)?;
        let commitment = URL_SAFE_NO_PAD.encode_to_string(&encrypted_key[..32]);
        let mac = URL_SAFE_NO_PAD.encode_to_string(&encrypted_key[..16]);
        let header = URL_SAFE_NO_PAD.encode_to_string(format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{KEY_ID}","typ":"vaultspan+jwe","tid":"contoso","kc":"{commitment}","mac":"{mac}"}}"#
        ));
        let start = format!("{header}.{}.", URL_SAFE_NO_PAD.encode_to_string(encrypted_key));
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key)?),
            header,
            start,
            pool: vec![0; POOL_BYTES],
            drawn: POOL_BYTES,
            scratch: Vec::new(),
        })
    }

    fn draw(&mut self) -> Result<[u8; NONCE_LEN], Failure> {
        if self.drawn == POOL_BYTES {
            rand::fill(&mut self.pool)?;
            self.drawn = 0;
        }
        let iv = self.pool[self.drawn..self.drawn + NONCE_LEN].try_into()?;
        self.drawn += NONCE_LEN;
        Ok(iv)
    }

    /// Appends `{"ciphertext":"…","keyId":"…"}`.
    fn encrypt(&mut self, plaintext: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        let iv = self.draw()?;
        self.scratch.clear();
        STANDARD.decode_append(plaintext, &mut self.scratch)?;
        let aad = Aad::from(self.header.as_bytes());
        let nonce = Nonce::assume_unique_for_key(iv);
        let tag = self.key.seal_in_place_separate_tag(nonce, aad, &mut self.scratch)?;
        out.extend_from_slice(br#"{"ciphertext":""#);
        out.extend_from_slice(self.start.as_bytes());
        URL_SAFE_NO_PAD.encode_append(iv, out);
        out.push(b'.');
        URL_SAFE_NO_PAD.encode_append(&self.scratch, out);
        out.push(b'.');
        URL_SAFE_NO_PAD.encode_append(tag, out);
        end(out);
        Ok(())
    }

    /// Appends `{"plaintext":"…","keyId":"…"}`.
    fn decrypt(&mut self, ciphertext: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        let rest = ciphertext.strip_prefix(&self.start).ok_or("a message of another key")?;
        let (iv, rest) = rest.split_once('.').ok_or("no IV")?;
        let (sealed, tag) = rest.split_once('.').ok_or("no tag")?;
        let mut nonce = Vec::with_capacity(NONCE_LEN);
        URL_SAFE_NO_PAD.decode_append(iv, &mut nonce)?;
        self.scratch.clear();
        URL_SAFE_NO_PAD.decode_append(sealed, &mut self.scratch)?;
        URL_SAFE_NO_PAD.decode_append(tag, &mut self.scratch)?;
        let aad = Aad::from(self.header.as_bytes());
        let nonce = Nonce::try_assume_unique_for_key(&nonce)?;
        let plaintext = self.key.open_in_place(nonce, aad, &mut self.scratch)?;
        out.extend_from_slice(br#"{"plaintext":""#);
        STANDARD.encode_append(plaintext, out);
        end(out);
        Ok(())
    }

    fn answer_one(&mut self, body: &Body, out: &mut Vec<u8>) -> Result<(), Failure> {
        match (body.plaintext, body.ciphertext) {
            (Some(plaintext), None) => self.encrypt(plaintext, out),
            (None, Some(ciphertext)) => self.decrypt(ciphertext, out),
            _ => Err("either a plaintext or a ciphertext".into()),
        }
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let body: Body = serde_json::from_slice(bytes)?;
        let Some(items) = &body.items else {
            let mut out = Vec::with_capacity(bytes.len() + 1_024);
            self.answer_one(&body, &mut out)?;
            return Ok(out);
        };
        let mut out = Vec::with_capacity(bytes.len() + items.len() * 1_024);
        out.extend_from_slice(br#"{"items":["#);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.answer_one(item, &mut out)?;
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"","keyId":""#);
    out.extend_from_slice(KEY_ID.as_bytes());
    out.extend_from_slice(br#""}"#);
}

async fn serve(sealer: Rc<RefCell<Sealer>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let bytes = request.into_body().collect().await?.to_bytes();
    let answer = sealer.borrow_mut().answer(&bytes);
    let status = if answer.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut response = Response::new(Full::new(Bytes::from(answer.unwrap_or_default())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn listen() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let sealer = Rc::new(RefCell::new(Sealer::new()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let sealer = Rc::clone(&sealer);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| serve(Rc::clone(&sealer), request));
            // A connection that fails is its client's: the benchmark sees it there.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, listen())
}
