//! The binary form of `jsonb`, as PostgreSQL's `utils/jsonb.h` lays it down and has kept since 9.4.
//!
//! Documents are copied as they are: what PostgreSQL itself offers takes each apart and puts it together again.

/// Bytes of a varlena's header: alignment counts from there.
const VARLENA_HEADER: usize = 4;
/// Each so many entries, one says where its value ends, all others how long it is.
const OFFSET_STRIDE: usize = 32;

const IS_OBJECT: u32 = 0x2000_0000;
const IS_SCALAR: u32 = 0x1000_0000;
const TYPE_MASK: u32 = 0x7000_0000;
const LENGTH_MASK: u32 = 0x0FFF_FFFF;
const HAS_OFFSET: u32 = 0x8000_0000;

const STRING: u32 = 0;
const NUMERIC: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;

/// A value of an object.
pub enum Value<'a> {
    Null,
    Bool(bool),
    String(&'a [u8]),
    /// A `numeric`, with its four-byte header.
    Numeric(&'a [u8]),
    /// A `jsonb`, without its header.
    Document(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Its kind, its bytes, and whether they have to be aligned.
    fn parts(self) -> (u32, &'a [u8], bool) {
        match self {
            Self::Null => (NULL, &[], false),
            Self::Bool(false) => (FALSE, &[], false),
            Self::Bool(true) => (TRUE, &[], false),
            Self::String(text) => (STRING, text, false),
            Self::Numeric(number) => (NUMERIC, number, true),
            // A number or string on its own is an array of one.
            Self::Document(document) if word(document, 0) & IS_SCALAR != 0 => {
                let kind = word(document, 4) & TYPE_MASK;
                (kind, &document[8..], kind == NUMERIC)
            }
            Self::Document(document) => (CONTAINER, document, true),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |word| u32::from_ne_bytes(*word))
}

/// An object, after a header that is left for the caller to fill. `None`: it is too large.
///
/// The keys must be as `jsonb` sorts them: the shorter before the longer, those of a length by their bytes.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Option<Vec<u8>> {
    debug_assert!(members.is_sorted_by_key(|(key, _)| (key.len(), *key)));
    let start = VARLENA_HEADER + 4;
    let mut bytes = Vec::with_capacity(2048);
    bytes.resize(start + 4 * 2 * N, 0);
    bytes[VARLENA_HEADER..start].copy_from_slice(&(IS_OBJECT | u32::try_from(N).ok()?).to_ne_bytes());
    let data = bytes.len();
    let entry = |bytes: &mut [u8], index: usize, kind: u32, begin: usize| {
        let (flag, origin) =
            if index.is_multiple_of(OFFSET_STRIDE) { (HAS_OFFSET, data) } else { (0, begin) };
        let length = u32::try_from(bytes.len() - origin).ok().filter(|length| *length <= LENGTH_MASK)?;
        bytes[start + 4 * index..][..4].copy_from_slice(&(flag | kind | length).to_ne_bytes());
        Some(())
    };
    for (index, (key, _)) in members.iter().enumerate() {
        let begin = bytes.len();
        bytes.extend_from_slice(key.as_bytes());
        entry(&mut bytes, index, STRING, begin)?;
    }
    for (index, (_, value)) in members.into_iter().enumerate() {
        let begin = bytes.len();
        let (kind, content, is_aligned) = value.parts();
        if is_aligned {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.extend_from_slice(content);
        entry(&mut bytes, N + index, kind, begin)?;
    }
    u32::try_from(bytes.len()).ok().filter(|length| *length <= LENGTH_MASK)?;
    Some(bytes)
}
