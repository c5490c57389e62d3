//! From the parser's events to nodes.

use std::collections::HashMap;
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{Document, Node, NodeId, Scalar, Style, SyntaxError, Tree, Value};
use crate::foreign::Quoted;
use crate::gitops::place::Place;

/// The nodes of a text. What is wrong and does not stop the reading is added to `errors`.
pub(super) fn tree(text: &str, errors: &mut Vec<SyntaxError>) -> Result<Tree, SyntaxError> {
    let mut options = Options::default();
    options.emit_comments = false;
    options.emit_unresolved_aliases = true;
    let mut builder = Builder {
        errors,
        nodes: Vec::new(),
        documents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        start: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| not_yaml(&error))?;
        builder.take(event, &span)?;
    }
    Ok(Tree { nodes: builder.nodes, documents: builder.documents })
}

fn not_yaml(error: &ScanError) -> SyntaxError {
    let place = place(error.marker().line(), error.marker().col());
    SyntaxError { place, message: format!("not YAML: {}", error.info()) }
}

fn place(line: usize, column: usize) -> Place {
    Place { line: line.max(1), column: column + 1 }
}

struct Builder<'e> {
    errors: &'e mut Vec<SyntaxError>,
    nodes: Vec<Node>,
    documents: Vec<Document>,
    /// The collections that are not closed, with the key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
    /// By the parser's number for it; numbers are never given twice.
    anchors: HashMap<usize, NodeId>,
    start: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), SyntaxError> {
        let at = place(span.start.line(), span.start.col());
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::DocumentStart(..) => {
                self.start = range.start;
                self.anchors.clear();
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = Value::Scalar(Scalar { text: text.into_owned(), style: style_of(style) });
                self.add(value, anchor, tag.as_deref(), range, at)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                let id = self.add(Value::Sequence(Vec::new()), anchor, tag.as_deref(), range, at)?;
                self.open.push((id, None));
            }
            Event::MappingStart(_, anchor, tag) => {
                let id = self.add(Value::Mapping(Vec::new()), anchor, tag.as_deref(), range, at)?;
                self.open.push((id, None));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((id, _)) = self.open.pop() {
                    self.nodes[id.0 as usize].end = range.start;
                }
            }
            Event::Alias(anchor) => self.alias(anchor, range, at)?,
            Event::UnresolvedAlias(name) => {
                let message =
                    format!("*{} is an alias of nothing: no anchor before it has this name", Quoted(&name));
                self.errors.push(SyntaxError { place: at, message });
                self.add(
                    Value::Scalar(Scalar { text: String::new(), style: Style::Plain }),
                    0,
                    None,
                    range,
                    at,
                )?;
            }
            _ => {}
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>, at: Place) -> Result<(), SyntaxError> {
        let error = |message: &str| SyntaxError { place: at, message: message.to_owned() };
        let target = *self.anchors.get(&anchor).ok_or_else(|| error("an alias of nothing"))?;
        if self.open.iter().any(|(id, _)| *id == target) {
            return Err(error("an alias of something that it stands in itself"));
        }
        self.add(Value::Alias(target), 0, None, range, at)?;
        Ok(())
    }

    fn add(
        &mut self,
        value: Value,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<usize>,
        place: Place,
    ) -> Result<NodeId, SyntaxError> {
        let too_long = |_| SyntaxError { place, message: "more nodes than a manifest has".to_owned() };
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(too_long)?);
        let is_scalar = match &value {
            Value::Scalar(_) => true,
            Value::Alias(target) => matches!(self.nodes[target.0 as usize].value, Value::Scalar(_)),
            _ => false,
        };
        let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
        self.nodes.push(Node { value, tag, end: range.end, range, place });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id, is_scalar)?;
        Ok(id)
    }

    /// Puts the node where it belongs: in the collection that is open, or as the root of a document.
    fn attach(&mut self, id: NodeId, is_scalar: bool) -> Result<(), SyntaxError> {
        let Some((parent, key)) = self.open.last_mut() else {
            self.documents.push(Document { root: id, start: self.start });
            return Ok(());
        };
        match (&mut self.nodes[parent.0 as usize].value, key.take()) {
            (Value::Sequence(elements), _) => elements.push(id),
            (Value::Mapping(entries), Some(key)) => entries.push((key, id)),
            (Value::Mapping(_), None) if !is_scalar => {
                let place = self.nodes[id.0 as usize].place;
                let message = "a key that is no text: is this a template, `{{ … }}`? Render it first";
                return Err(SyntaxError { place, message: message.to_owned() });
            }
            (Value::Mapping(_), None) => *key = Some(id),
            (Value::Scalar(_) | Value::Alias(_), _) => {}
        }
        Ok(())
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}
