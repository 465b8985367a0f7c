//! A reply as server-sent events: `label`, then `text` in pieces, `sources`, `done`.

use serde_json::json;

use crate::assistant::Reply;

/// Words in one `text` event.
const WORDS: usize = 8;

/// The event stream of a reply (WHATWG HTML §9.2). The data of `text` events joined is the text; that
/// of `done` is the whole reply, so nothing is lost on a client that reads only the last event.
pub(super) fn stream(label: &str, reply: &Reply) -> String {
    let mut stream = event("label", &json!({ "ai": true, "text": label }));
    for piece in pieces(&reply.text) {
        stream += &event("text", &json!({ "text": piece }));
    }
    stream += &event("sources", &json!({ "sources": reply.sources }));
    stream += &event("done", &json!(reply));
    stream
}

/// JSON has no line breaks, so one `data` line holds it.
fn event(name: &str, data: &serde_json::Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn pieces(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    words.chunks(WORDS).map(<[&str]>::concat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_joined_are_the_text() {
        for text in ["", "one", "a\n\nb  c", &"word ".repeat(50)] {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces(&"word ".repeat(20)).len(), 3);
    }
}
