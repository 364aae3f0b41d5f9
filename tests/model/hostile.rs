//! Hostile input: one clear fault, quickly and in bounded memory.

use std::io::Read;

use tetrapod::manifest::{Fault, Limits, Reader};

fn refused(input: impl Read) -> Fault {
    refused_within(Limits::default(), input)
}

/// The only fault of `input`.
#[track_caller]
fn refused_within(limits: Limits, input: impl Read) -> Fault {
    let mut reader = Reader::new().limits(limits);
    reader.read("hostile", input);
    let error = reader.finish().unwrap_err();
    assert_eq!((error.faults.len(), error.more), (1, 0), "{error}");
    error.faults.into_iter().next().unwrap()
}

/// Endless copies of a byte, up to `left` of them, after a start.
fn flood(start: &'static str, byte: u8, left: u64) -> impl Read {
    start.as_bytes().chain(std::io::repeat(byte).take(left))
}

#[test]
fn long_junk_is_refused_before_it_is_held() {
    let many = 200 << 20;
    let fault = refused(flood("{\"a\":\"", b'x', many));
    assert!(fault.accepted.starts_with("objects of up to"), "{fault}");
    let fault = refused(flood("[1", b'1', many));
    assert!(fault.accepted.starts_with("objects of up to"), "{fault}");
    // Without YAML the first byte decides; with it, the document is too long.
    let fault = refused(flood("", b'x', many));
    assert!(
        fault.accepted.contains("JSON") || fault.accepted.contains("bytes"),
        "{fault}"
    );
    let _ = refused(flood("", 0, 1 << 20));
}

#[test]
fn deep_nesting_is_refused() {
    for open in [b'[', b'{'] {
        let fault = refused(flood("", open, 50 << 20));
        assert!(!fault.accepted.is_empty());
    }
    let fault = refused(flood("{\"a\":", b'[', 50 << 20));
    assert_eq!(fault.accepted, "up to 128 levels of nesting");
}

#[test]
fn what_is_cut_off_says_so() {
    for text in [
        "",
        "  \n",
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":\"b",
        "{\"a\":\"\\",
        "[{\"kind\":\"Pod\"",
        "{\"items\":[",
        "{\"items\":[{}",
        "{\"a\":1,}",
        "[,]",
        "{\"items\":[]",
        "{\"kind\":\"X\"}}",
    ] {
        let mut reader = Reader::new();
        reader.read("hostile", text.as_bytes());
        let error = reader.finish().unwrap_err();
        assert!(!error.faults.is_empty(), "{text:?}");
    }
}

#[test]
fn invalid_utf8_is_a_fault() {
    let fault = refused(
        &b"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"\xff\xfe\"}}"[..],
    );
    assert_eq!(fault.accepted, "JSON");
}

#[test]
fn the_bytes_of_a_source_and_its_objects_are_limited() {
    let mut limits = Limits::default();
    limits.source_bytes = 1 << 20;
    let fault = refused_within(limits, flood("[", b' ', 300 << 20));
    assert_eq!(fault.accepted, "up to 1048576 bytes in a source");
    let mut limits = Limits::default();
    limits.objects = 2;
    let list = r#"[{"kind":"A"},{"kind":"B"},{"kind":"C"},{"kind":"D"}]"#;
    let fault = refused_within(limits, list.as_bytes());
    assert_eq!(fault.accepted, "up to 2 objects in all sources");
}

#[test]
fn an_input_that_cannot_be_read_is_a_fault() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk on fire"))
        }
    }
    let fault = refused(b"[{\"kind\":\"A\"},".chain(Failing));
    assert_eq!(fault.found, "disk on fire");
}

#[test]
fn many_unknown_kinds_and_fields_stay_bounded() {
    let mut text = String::from("[");
    for at in 0..20_000 {
        text.push_str(&format!("{{\"kind\":\"K{at}\"}},"));
    }
    text.push_str("{\"kind\":\"K\"}]");
    let mut reader = Reader::new();
    reader.read("hostile", text.as_bytes());
    let skipped = reader.finish().unwrap().skipped;
    assert!(skipped.kinds.len() <= 1_001);
    assert_eq!(skipped.kinds.values().sum::<u64>(), 20_001);
}

#[cfg(feature = "yaml")]
mod packed {
    use std::io::Write;

    use super::*;

    fn gzip(input: &mut dyn Read) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(input, &mut packer).unwrap();
        packer.flush().unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_zip_bomb_counts_inflated() {
        let mut limits = Limits::default();
        limits.source_bytes = 8 << 20;
        let bomb = gzip(&mut flood("[", b' ', 64 << 20));
        assert!(bomb.len() < 1 << 20);
        let fault = refused_within(limits, bomb.as_slice());
        assert_eq!(fault.accepted, "up to 8388608 bytes in a source");
    }

    #[test]
    fn cut_off_gzip_is_a_fault() {
        let whole = gzip(&mut &br#"{"apiVersion":"v1","kind":"List","items":[]}"#[..]);
        let fault = refused(whole.get(..whole.len() / 2).unwrap());
        assert_eq!(fault.accepted, "input that can be read");
        let _ = refused(&[0x1f, 0x8b][..]);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..30 {
            let below = level - 1;
            let row = vec![format!("*a{below}"); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{row}]\n"));
        }
        let fault = refused(text.as_bytes());
        assert_eq!(fault.accepted, "YAML or JSON");
    }

    #[test]
    fn broken_yaml_is_a_fault() {
        for text in ["a: [1", "a: b: c", "\t- x", "%", "key: \"open", "a: *none"] {
            let _ = refused(text.as_bytes());
        }
        let deep = format!("a: {}", "[".repeat(100_000));
        let _ = refused(deep.as_bytes());
        let _ = refused(&b"a: \xff\xfe"[..]);
    }
}
