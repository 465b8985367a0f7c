//! Markdown: a passage per section, titled with the path of headings above it.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Document, Language, PASSAGE_BYTES, Passage, PassageKind, language_of, windows};

/// Between the titles of a path.
const PATH: &str = " › ";

/// One passage per section, more for a long one. Markup becomes plain text: paragraphs stay apart,
/// items begin with a dash, cells are separated by a bar, a link keeps its address behind it.
pub(super) fn read(document: &Document<'_>, languages: &[Language]) -> Vec<Passage> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::default();
    for (event, range) in Parser::new_ext(document.content, options).into_offset_iter() {
        reader.take(event, range);
    }
    reader.close_section(document.content.len());
    reader.leave_headings(None, document.content.len());
    let sections = reader.sections;
    sections.iter().flat_map(|section| section.passages(document, languages)).collect()
}

#[derive(Default)]
struct Section {
    path: Vec<String>,
    text: String,
    range: Range<usize>,
}

impl Section {
    fn passages(&self, document: &Document<'_>, languages: &[Language]) -> Vec<Passage> {
        let title = self.title(document.title.trim());
        windows(&self.text, PASSAGE_BYTES)
            .into_iter()
            .map(|window| Passage {
                kind: PassageKind::Section,
                title: title.clone(),
                text: self.text[window.clone()].to_owned(),
                url: document.url.map(str::to_owned),
                language: language_of(document, &self.text[window], languages),
                range: self.range.clone(),
            })
            .collect()
    }

    /// The document's title, then the headings; a first heading that repeats the title is not
    /// said twice.
    fn title(&self, document: &str) -> String {
        let repeated = self.path.first().is_some_and(|first| first.eq_ignore_ascii_case(document));
        let headings = self.path.iter().skip(usize::from(repeated)).map(String::as_str);
        std::iter::once(document).chain(headings).collect::<Vec<_>>().join(PATH)
    }
}

struct Heading {
    level: HeadingLevel,
    title: String,
    start: usize,
    has_text: bool,
}

#[derive(Default)]
struct Reader {
    sections: Vec<Section>,
    headings: Vec<Heading>,
    heading: Option<(HeadingLevel, String)>,
    in_metadata: bool,
    text: String,
    start: usize,
    links: Vec<(String, usize)>,
    depth: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range.start),
            Event::End(tag) => self.end(tag, range.end),
            Event::Text(_) if self.in_metadata => {}
            Event::Text(text) => self.push(&text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.push(&text);
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let text = without_tags(&html);
                self.push(&text);
            }
            Event::FootnoteReference(name) => self.push(&name),
            Event::SoftBreak => self.push(" "),
            Event::HardBreak => self.push("\n"),
            Event::Rule => self.apart(),
            Event::TaskListMarker(done) => self.push(if done { "[x] " } else { "[ ] " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>, offset: usize) {
        match tag {
            Tag::Heading { level, .. } => {
                self.close_section(offset);
                self.leave_headings(Some(level), offset);
                self.heading = Some((level, String::new()));
            }
            Tag::MetadataBlock(_) => self.in_metadata = true,
            Tag::List(_) => self.depth += 1,
            Tag::Item => {
                self.line();
                let indent = "  ".repeat(self.depth.saturating_sub(1));
                self.push(&indent);
                self.push("- ");
            }
            Tag::Paragraph if self.depth == 0 => self.apart(),
            Tag::CodeBlock(_) | Tag::BlockQuote(_) | Tag::Table(_) | Tag::HtmlBlock => self.apart(),
            Tag::TableHead | Tag::TableRow => self.line(),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), self.target().len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, offset: usize) {
        match tag {
            TagEnd::Heading(_) => self.close_heading(offset),
            TagEnd::MetadataBlock(_) => self.in_metadata = false,
            TagEnd::List(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.line();
            }
            TagEnd::TableCell => self.push(" | "),
            TagEnd::Paragraph if self.depth > 0 => self.line(),
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::Table | TagEnd::BlockQuote(_) => {
                self.apart();
            }
            TagEnd::Link | TagEnd::Image => self.close_link(),
            _ => {}
        }
    }

    /// Behind the words of a link stands its address, unless the words are the address.
    fn close_link(&mut self) {
        let Some((address, start)) = self.links.pop() else { return };
        let in_heading = self.heading.is_some();
        let shown = self.target().get(start..).is_some_and(|words| words == address);
        if address.starts_with("http") && !shown && !in_heading {
            self.push(&format!(" ({address})"));
        }
    }

    fn close_heading(&mut self, offset: usize) {
        let Some((level, title)) = self.heading.take() else { return };
        let title = title.trim().to_owned();
        self.headings.push(Heading { level, title, start: self.start, has_text: false });
        self.start = offset;
    }

    /// Leaves the headings that one of `level` ends, all of them for none. One with nothing below
    /// it is a passage of its own: "Hotline 0800 123" is an answer.
    fn leave_headings(&mut self, level: Option<HeadingLevel>, end: usize) {
        while self.headings.last().is_some_and(|above| level.is_none_or(|new| above.level >= new)) {
            let text = self.headings.last().map(|heading| (heading.has_text, heading.start));
            if let Some((false, start)) = text {
                let title = self.headings.last().map(|heading| heading.title.clone());
                self.add_section(title.unwrap_or_default(), start..end);
            }
            self.headings.pop();
        }
    }

    fn close_section(&mut self, end: usize) {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        self.add_section(text, self.start..end);
        self.start = end;
    }

    fn add_section(&mut self, text: String, range: Range<usize>) {
        if text.is_empty() {
            return;
        }
        let path = self.headings.iter().map(|heading| heading.title.clone()).collect();
        self.headings.iter_mut().for_each(|heading| heading.has_text = true);
        self.sections.push(Section { path, text, range });
    }

    fn target(&self) -> &String {
        self.heading.as_ref().map_or(&self.text, |(_, title)| title)
    }

    fn push(&mut self, text: &str) {
        self.heading.as_mut().map_or(&mut self.text, |(_, title)| title).push_str(text);
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.push("\n");
        }
    }

    fn apart(&mut self) {
        self.line();
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.push("\n");
        }
    }
}

/// Drops tags, keeps what stands between them.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else { break };
        rest = &rest[open + close + 1..];
        if text.ends_with(|letter: char| !letter.is_whitespace()) {
            text.push(' ');
        }
    }
    text.push_str(rest);
    text
}
