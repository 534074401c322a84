//! The XML of S3: a small tree of elements, and in the submodules what the client reads from it.
//!
//! Stores differ in namespaces, in the order of elements, and in elements that nobody needs. A tree
//! without namespaces is indifferent to all of these.

mod listing;
mod multipart;

use std::fmt;

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesRef, BytesStart, Event};

pub(crate) use self::listing::{UploadMarker, read_objects, read_uploads};
pub(crate) use self::multipart::{
    CompletedPart, read_completed, read_copied_part, read_created_upload, read_parts,
    write_completion,
};

/// The deepest element. Answers of S3 have four levels.
const MAX_DEPTH: usize = 16;

/// The most elements of an answer. A page of 1,000 objects has about 10,000.
const MAX_ELEMENTS: usize = 200_000;

/// An element without its namespace and attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct XmlElement {
    name: String,
    text: String,
    children: Vec<XmlElement>,
}

/// Why a text is not the XML that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct XmlError(String);

impl XmlError {
    fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }

    fn missing(name: &str) -> Self {
        Self(format!("the element {name} is missing"))
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl XmlElement {
    /// Reads a document.
    pub(crate) fn parse(xml: &[u8]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(xml).map_err(XmlError::new)?;
        // A byte order mark, and the spaces by which a store shows that it still works.
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let mut reader = Reader::from_str(text);
        let mut tree = TreeBuilder::default();
        loop {
            match reader.read_event().map_err(XmlError::new)? {
                Event::Start(start) => tree.open(&start)?,
                Event::Empty(start) => {
                    tree.open(&start)?;
                    tree.close();
                }
                Event::End(_) => tree.close(),
                Event::Text(text) => tree.add_text(&text.decode().map_err(XmlError::new)?),
                Event::CData(data) => tree.add_text(&data.decode().map_err(XmlError::new)?),
                Event::GeneralRef(reference) => tree.add_text(&resolve(&reference)?),
                Event::DocType(_) => return Err(XmlError::new("a document type is not expected")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => return tree.finish(),
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children_named(name).next()
    }

    pub(crate) fn children_named(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the text of the first child of this name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, XmlError> {
        self.text_of(name).ok_or_else(|| XmlError::missing(name))
    }

    fn required_number<T: std::str::FromStr>(&self, name: &str) -> Result<T, XmlError> {
        let text = self.required(name)?.trim();
        text.parse().map_err(|_| XmlError::new(format_args!("{name} is no number: {text}")))
    }

    fn is_true(&self, name: &str) -> bool {
        self.text_of(name).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// Returns the element if it has this name with the end `Result`, or `Response` as in moto.
    fn expect(self, name: &str) -> Result<Self, XmlError> {
        if matches!(self.name.strip_prefix(name), Some("Result" | "Response")) {
            return Ok(self);
        }
        Err(XmlError::new(format_args!("{name}Result is expected, not {}", self.name)))
    }
}

/// Builds a tree from the events of a reader, which matches the names of tags itself.
#[derive(Default)]
struct TreeBuilder {
    open: Vec<XmlElement>,
    root: Option<XmlElement>,
    elements: usize,
}

impl TreeBuilder {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || self.open.len() >= MAX_DEPTH {
            return Err(XmlError::new("the document is too large"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::new("the document has two roots"));
        }
        let name = std::str::from_utf8(start.local_name().into_inner()).map_err(XmlError::new)?;
        self.open.push(XmlElement { name: name.to_owned(), ..XmlElement::default() });
        Ok(())
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
    }

    fn add_text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn finish(self) -> Result<XmlElement, XmlError> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(XmlError::new("the document is not complete")),
        }
    }
}

/// Returns the text of a character reference or of one of the five entities that need no definition.
fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(char) = reference.resolve_char_ref().map_err(XmlError::new)? {
        return Ok(char.to_string());
    }
    let text = match &*reference.decode().map_err(XmlError::new)? {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        other => return Err(XmlError::new(format_args!("the entity {other} is not defined"))),
    };
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(xml: &str) -> Result<XmlElement, XmlError> {
        XmlElement::parse(xml.as_bytes())
    }

    #[test]
    fn a_tree_has_names_without_namespaces_and_texts_without_escapes() {
        let xml = "\u{feff}  <?xml version=\"1.0\"?>\n<s3:A xmlns:s3=\"urn:x\"> <!-- no -->\
                   <s3:B a=\"1\">&lt;&#x4e2d;&#25991;&gt;<![CDATA[<&>]]> &amp;&quot;&apos;</s3:B><B/>\
                   <C>1</C></s3:A> ";
        let tree = parse(xml).unwrap();
        assert_eq!(tree.name(), "A");
        let texts: Vec<_> = tree.children_named("B").map(|child| child.text.as_str()).collect();
        assert_eq!(texts, ["<中文><&> &\"'", ""]);
        assert_eq!(tree.required_number("C"), Ok(1u16));
        assert_eq!(tree.text_of("D"), None);
    }

    #[test]
    fn documents_that_are_no_answers_are_refused() {
        for xml in [
            "",
            "   ",
            "plain text",
            "<A><B></B>",
            "<A><B></A></B>",
            "<A/><B/>",
            "<A>&undefined;</A>",
            "<!DOCTYPE A [<!ENTITY a \"b\">]><A>&a;</A>",
            "<A",
        ] {
            assert!(parse(xml).is_err(), "{xml}");
        }
        assert!(XmlElement::parse(b"<A>\xff</A>").is_err());
    }

    #[test]
    fn depth_and_number_of_elements_are_bounded() {
        let deep = |levels| format!("{}{}", "<A>".repeat(levels), "</A>".repeat(levels));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert!(parse(&deep(MAX_DEPTH + 1)).is_err());
        let wide = |elements| format!("<A>{}</A>", "<B/>".repeat(elements - 1));
        assert!(parse(&wide(MAX_ELEMENTS)).is_ok());
        assert!(parse(&wide(MAX_ELEMENTS + 1)).is_err());
    }
}
