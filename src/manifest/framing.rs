//! Cutting a stream of bytes into JSON values without reading them, so that a list of any length needs the memory of
//! its longest item.

use std::io::Read;
use std::ops::Range;

use super::limits::Limits;

/// Why a source cannot be read further.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) found: String,
    pub(super) accepted: String,
}

impl Broken {
    pub(super) fn new(found: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            accepted: accepted.into(),
        }
    }
}

/// Bytes of a source with a window on the value at hand.
pub(super) struct Framer<'r> {
    input: Box<dyn Read + 'r>,
    buffer: Vec<u8>,
    at: usize,
    /// Where the window starts, while one is open.
    keep: Option<usize>,
    /// Bytes of the source before the buffer.
    before: u64,
    ended: bool,
    limits: Limits,
}

const BLOCK: usize = 256 << 10;

impl<'r> Framer<'r> {
    pub(super) fn new(input: Box<dyn Read + 'r>, limits: Limits) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            at: 0,
            keep: None,
            before: 0,
            ended: false,
            limits,
        }
    }

    /// Where in the source the reading stands.
    pub(super) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// At least the first `count` bytes of what is left, if there are as many.
    #[cfg(feature = "yaml")]
    pub(super) fn ahead(&mut self, count: usize) -> Result<&[u8], Broken> {
        while self.buffer.len() - self.at < count && self.fill()? {}
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    /// The gzip stream that starts here, inflated; its bytes count against the limits.
    #[cfg(feature = "yaml")]
    pub(super) fn inflate(&mut self) -> Framer<'_> {
        let limits = self.limits;
        let held = self.buffer.split_off(self.at);
        let rest = std::io::Cursor::new(held).chain(&mut self.input);
        Framer::new(Box::new(flate2::read::MultiGzDecoder::new(rest)), limits)
    }

    /// Reads more bytes, forgetting those before the window. `false` at the end of the source.
    fn fill(&mut self) -> Result<bool, Broken> {
        if self.ended {
            return Ok(false);
        }
        let from = self.keep.unwrap_or(self.at);
        if from > 0 {
            self.buffer.drain(..from);
            self.at -= from;
            self.before += from as u64;
            self.keep = self.keep.map(|_| 0);
        }
        let held = self.buffer.len();
        if held > self.limits.object_bytes {
            return Err(Broken::new(
                format!("an object of more than {held} bytes"),
                format!("objects of up to {} bytes", self.limits.object_bytes),
            ));
        }
        self.buffer.resize(held + BLOCK, 0);
        let space = self.buffer.get_mut(held..).unwrap_or_default();
        let read = loop {
            match self.input.read(space) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(held + count);
        match read {
            Err(error) => {
                self.ended = true;
                Err(Broken::new(error.to_string(), "input that can be read"))
            }
            Ok(0) => {
                self.ended = true;
                Ok(false)
            }
            Ok(_) if self.before + self.buffer.len() as u64 > self.limits.source_bytes => {
                self.ended = true;
                Err(Broken::new(
                    "a longer source",
                    format!("up to {} bytes in a source", self.limits.source_bytes),
                ))
            }
            Ok(_) => Ok(true),
        }
    }

    /// The next byte that is not white space, not consumed.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            while let Some(byte) = self.buffer.get(self.at) {
                if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                    return Ok(Some(*byte));
                }
                self.at += 1;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Consumes the byte that [`peek`](Self::peek) showed.
    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// Drops a byte order mark at the start.
    pub(super) fn skip_mark(&mut self) -> Result<(), Broken> {
        while self.buffer.len() < 3 && self.fill()? {}
        if self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        Ok(())
    }

    /// The bytes of a value that [`value`](Self::value) found.
    pub(super) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }

    /// Consumes the value that starts here and returns where its bytes stand until the next call. Brackets are counted,
    /// not matched: whoever reads the bytes finds the rest.
    pub(super) fn value(&mut self) -> Result<Range<usize>, Broken> {
        self.keep = Some(self.at);
        let found = self.find_end();
        let start = self.keep.take().unwrap_or(self.at);
        found?;
        if start == self.at {
            return Err(self.unexpected("a JSON value"));
        }
        if self.at - start > self.limits.object_bytes {
            return Err(Broken::new(
                format!("an object of {} bytes", self.at - start),
                format!("objects of up to {} bytes", self.limits.object_bytes),
            ));
        }
        Ok(start..self.at)
    }

    fn find_end(&mut self) -> Result<(), Broken> {
        let mut depth = 0_usize;
        loop {
            while let Some(byte) = self.next_of_interest(depth) {
                match byte {
                    b'"' => {
                        self.at += 1;
                        self.skip_string()?;
                        if depth == 0 {
                            return Ok(());
                        }
                        continue;
                    }
                    b'{' | b'[' => {
                        depth += 1;
                        if depth > self.limits.depth {
                            return Err(Broken::new(
                                format!("nesting deeper than {}", self.limits.depth),
                                format!("up to {} levels of nesting", self.limits.depth),
                            ));
                        }
                    }
                    b'}' | b']' => {
                        if depth <= 1 {
                            self.at += depth;
                            return Ok(());
                        }
                        depth -= 1;
                    }
                    b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return Ok(()),
                    _ => {}
                }
                self.at += 1;
            }
            if !self.fill()? {
                return if depth == 0 {
                    Ok(())
                } else {
                    Err(self.unexpected("the rest of the document"))
                };
            }
        }
    }

    /// Consumes bytes that say nothing about where a value ends, and shows the next one that does.
    fn next_of_interest(&mut self, depth: usize) -> Option<u8> {
        if depth > 0 {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let skipped = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
            self.at += skipped.unwrap_or(rest.len());
        }
        self.buffer.get(self.at).copied()
    }

    /// Consumes the rest of a string whose opening quote is consumed.
    fn skip_string(&mut self) -> Result<(), Broken> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            match rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
                Some(offset) => {
                    self.at += offset + 1;
                    if rest.get(offset) == Some(&b'"') {
                        return Ok(());
                    }
                    if self.at >= self.buffer.len() && !self.fill()? {
                        return Err(self.unexpected("the rest of a string"));
                    }
                    self.at += 1;
                }
                None => {
                    self.at = self.buffer.len();
                    if !self.fill()? {
                        return Err(self.unexpected("the rest of a string"));
                    }
                }
            }
        }
    }

    /// Consumes a line with its end; empty at the end of the source.
    #[cfg(feature = "yaml")]
    pub(super) fn line(&mut self) -> Result<&[u8], Broken> {
        self.keep = Some(self.at);
        let ended = loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                self.at += end + 1;
                break Ok(());
            }
            self.at = self.buffer.len();
            match self.fill() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(broken) => break Err(broken),
            }
        };
        let start = self.keep.take().unwrap_or(self.at);
        ended?;
        Ok(self.buffer.get(start..self.at).unwrap_or_default())
    }

    /// That something else than `accepted` stands here.
    pub(super) fn unexpected(&self, accepted: &str) -> Broken {
        let found = self.buffer.get(self.at).map_or_else(
            || "the end of the input".to_owned(),
            |byte| format!("`{}`", byte.escape_ascii()),
        );
        Broken::new(format!("{found} at byte {}", self.position()), accepted)
    }
}
