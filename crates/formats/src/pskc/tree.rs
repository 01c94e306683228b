//! A key container, one part at a time: its header and its key packages as small trees.

use std::ops::ControlFlow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zeroize::Zeroizing;

use crate::FormatError;
use crate::import::text::Text;
use crate::import::xml::{Counted, character, why};

/// Elements in elements.
const MAX_DEPTH: usize = 32;
/// The longest part of a container, markup included: a key package has about a thousand bytes, a certificate and a
/// signature have some more.
const MAX_PART: usize = 256 * 1024;

/// An element, whatever its prefix and its case: privacyIDEA's own export is all lower case.
pub(super) struct Element {
    /// The local name in lower case.
    pub(super) name: String,
    /// Where it begins, counted from 1.
    pub(super) line: u64,
    attributes: Vec<(String, String)>,
    text: Zeroizing<String>,
    children: Vec<Element>,
}

impl Element {
    /// The text directly in it, without the space around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// An attribute under any of some names.
    pub(super) fn attribute(&self, names: &[&str]) -> Option<&str> {
        let find = |name: &&str| self.attributes.iter().find(|(one, _)| one == *name);
        names.iter().find_map(find).map(|(_, value)| value.trim())
    }

    /// The first child under any of some names.
    pub(super) fn child(&self, names: &[&str]) -> Option<&Element> {
        self.children.iter().find(|child| names.contains(&child.name.as_str()))
    }

    /// All children under any of some names.
    pub(super) fn all<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(|child| names.contains(&child.name.as_str()))
    }

    /// All children.
    pub(super) fn children(&self) -> &[Element] {
        &self.children
    }

    /// Takes the first child of that name out.
    pub(super) fn take(&mut self, name: &str) -> Option<Element> {
        let place = self.children.iter().position(|child| child.name == name)?;
        Some(self.children.swap_remove(place))
    }

    /// The element at the end of a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(&[name]))
    }

    /// The first element of that name below it, however deep.
    pub(super) fn below(&self, names: &[&str]) -> Option<&Element> {
        self.child(names).or_else(|| self.children.iter().find_map(|child| child.below(names)))
    }
}

/// Hands over the container's own tag, without children, then each of its children.
pub(super) fn parts(
    text: Text<'_>,
    sink: &mut dyn FnMut(Element) -> Result<ControlFlow<()>, FormatError>,
) -> Result<(), FormatError> {
    let mut reader = Reader::from_reader(Counted::new(text, MAX_PART));
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(MAX_PART));
    let (mut open, mut began): (Vec<Element>, bool) = (Vec::new(), false);
    loop {
        buffer.clear();
        let line = reader.get_ref().line;
        let event = reader.read_event_into(&mut buffer).map_err(|error| why(&error, line, MAX_PART))?;
        let broken = || FormatError::XmlBroken { line };
        let ended = match event {
            Event::Start(tag) | Event::Empty(tag) if open.is_empty() && began => {
                drop(tag);
                return Err(broken());
            }
            Event::Start(tag) => {
                let element = element(&tag, line)?;
                began = true;
                if open.is_empty() && sink(bare(&element))?.is_break() {
                    return Ok(());
                }
                open.push(element);
                if open.len() > MAX_DEPTH {
                    return Err(broken());
                }
                None
            }
            Event::Empty(tag) => {
                let element = element(&tag, line)?;
                began = true;
                if open.is_empty() {
                    if sink(element)?.is_break() {
                        return Ok(());
                    }
                    None
                } else {
                    Some(element)
                }
            }
            Event::End(_) => open.pop(),
            Event::Text(text) => {
                add(open.last_mut(), &text).ok_or_else(broken)?;
                None
            }
            Event::CData(text) => {
                add(open.last_mut(), &text).ok_or_else(broken)?;
                None
            }
            Event::GeneralRef(reference) => {
                let character = character(&reference).ok_or_else(broken)?;
                add(open.last_mut(), character.encode_utf8(&mut [0; 4])).ok_or_else(broken)?;
                None
            }
            Event::DocType(_) => return Err(FormatError::XmlDoctype),
            Event::Eof if open.is_empty() && began => return Ok(()),
            Event::Eof => return Err(if began { FormatError::Truncated } else { FormatError::FileEmpty }),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => None,
        };
        let Some(ended) = ended else { continue };
        match open.as_mut_slice() {
            // The container itself.
            [] => {}
            [_] => {
                if sink(ended)?.is_break() {
                    return Ok(());
                }
                reader.get_mut().budget = MAX_PART;
            }
            [.., parent] => parent.children.push(ended),
        }
    }
}

fn element(tag: &BytesStart<'_>, line: u64) -> Result<Element, FormatError> {
    let broken = || FormatError::XmlBroken { line };
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| broken())?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| broken())?;
        attributes.push((attribute.key.local_name().into_inner().to_ascii_lowercase(), value.into_owned()));
    }
    let name = tag.local_name().into_inner().to_ascii_lowercase();
    Ok(Element { name, line, attributes, text: Zeroizing::default(), children: Vec::new() })
}

fn bare(element: &Element) -> Element {
    Element {
        name: element.name.clone(),
        line: element.line,
        attributes: element.attributes.clone(),
        text: Zeroizing::default(),
        children: Vec::new(),
    }
}

/// Adds to the text of the innermost element; `None` for text outside of all.
fn add(element: Option<&mut Element>, text: &str) -> Option<()> {
    let Some(element) = element else { return text.trim().is_empty().then_some(()) };
    if element.text.capacity() - element.text.len() < text.len() {
        // A buffer that grows by itself leaves unwiped copies behind.
        let mut longer = Zeroizing::new(String::with_capacity(2 * element.text.len() + text.len()));
        longer.push_str(&element.text);
        element.text = longer;
    }
    element.text.push_str(text);
    Some(())
}
