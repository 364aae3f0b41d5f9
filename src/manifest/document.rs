//! Documents of a JSON source: single objects, lists, arrays and snapshots, their items visited one at a time.

use serde_json::Value;

use super::collect::{Collector, ListOf};
use super::framing::{Broken, Framer};

/// Reads every document of `framer`.
pub(super) fn documents(framer: &mut Framer<'_>, collector: &mut Collector) -> Result<(), Broken> {
    let mut any = false;
    while let Some(first) = framer.peek()? {
        collector.start_document();
        any = true;
        match first {
            b'{' => object(framer, collector)?,
            b'[' => elements(framer, &mut |text, at| {
                collector.object_text(text, Some(at), None)
            })?,
            _ => return Err(framer.unexpected("JSON: { or [")),
        }
    }
    if any {
        Ok(())
    } else {
        Err(Broken::new("nothing", "at least one document"))
    }
}

/// What is done with the text of each item and its number.
type Visit<'v> = dyn FnMut(&[u8], usize) -> Result<(), Broken> + 'v;

/// Visits the items of the array that starts here.
fn elements(framer: &mut Framer<'_>, visit: &mut Visit<'_>) -> Result<(), Broken> {
    framer.skip();
    if framer.peek()? == Some(b']') {
        framer.skip();
        return Ok(());
    }
    for at in 0.. {
        framer.peek()?;
        let range = framer.value()?;
        visit(framer.bytes(&range), at)?;
        match framer.peek()? {
            Some(b',') => framer.skip(),
            Some(b']') => break,
            _ => return Err(framer.unexpected("`,` or `]`")),
        }
    }
    framer.skip();
    Ok(())
}

/// What the fields of an object at the top of a document say about it.
#[derive(Default)]
struct Head {
    /// The object less what was streamed.
    text: Vec<u8>,
    api_version: Option<String>,
    kind: Option<String>,
    items: bool,
    streamed: bool,
}

/// Reads the object that starts here, streaming what may be long in it.
fn object(framer: &mut Framer<'_>, collector: &mut Collector) -> Result<(), Broken> {
    let mut head = Head::default();
    head.text.push(b'{');
    framer.skip();
    loop {
        match framer.peek()? {
            Some(b'}') if head.text.len() == 1 => break,
            Some(b'"') => field(framer, collector, &mut head)?,
            _ => return Err(framer.unexpected("a field name in quotes, or `}`")),
        }
        match framer.peek()? {
            Some(b',') => framer.skip(),
            Some(b'}') => break,
            _ => return Err(framer.unexpected("`,` or `}`")),
        }
        if framer.peek()? == Some(b'}') {
            return Err(framer.unexpected("a field name in quotes"));
        }
    }
    framer.skip();
    head.text.push(b'}');
    if head.streamed {
        return collector.snapshot_text(&head.text, head.kind.is_some());
    }
    if head.items {
        // The items are taken; what is left must still be JSON.
        return match serde_json::from_slice::<Value>(&head.text) {
            Ok(_) => Ok(()),
            Err(error) => Err(Broken::new(error.to_string(), "JSON")),
        };
    }
    if head.kind.is_some() {
        return collector.object_text(&head.text, None, None);
    }
    collector.kindless_text(&head.text)
}

/// Reads one field of the object at the top of a document.
fn field(
    framer: &mut Framer<'_>,
    collector: &mut Collector,
    head: &mut Head,
) -> Result<(), Broken> {
    let range = framer.value()?;
    let key = framer.bytes(&range).to_vec();
    if framer.peek()? != Some(b':') {
        return Err(framer.unexpected("`:`"));
    }
    framer.skip();
    let is_array = framer.peek()? == Some(b'[');
    if head.text.len() > 1 {
        head.text.push(b',');
    }
    head.text.extend_from_slice(&key);
    head.text.push(b':');
    if is_array && key == b"\"items\"" {
        let list = head
            .kind
            .as_deref()
            .map(|kind| ListOf::new(head.api_version.as_deref().unwrap_or(""), kind));
        elements(framer, &mut |text, at| {
            collector.object_text(text, Some(at), list.as_ref())
        })?;
        head.items = true;
        head.text.extend_from_slice(b"[]");
        return Ok(());
    }
    if is_array
        && head.kind.is_none()
        && let Some(part) = Collector::snapshot_part(&key)
    {
        elements(framer, &mut |text, at| {
            collector.snapshot_item(part, text, at)
        })?;
        head.streamed = true;
        head.text.extend_from_slice(b"[]");
        return Ok(());
    }
    let range = framer.value()?;
    let value = framer.bytes(&range);
    match key.as_slice() {
        b"\"kind\"" => head.kind = serde_json::from_slice(value).ok(),
        b"\"apiVersion\"" => head.api_version = serde_json::from_slice(value).ok(),
        _ => {}
    }
    head.text.extend_from_slice(value);
    if head.text.len() > collector.limits.object_bytes {
        return Err(Broken::new(
            format!("an object of more than {} bytes", head.text.len()),
            format!("objects of up to {} bytes", collector.limits.object_bytes),
        ));
    }
    Ok(())
}
