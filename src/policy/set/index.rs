//! [`Index`]: from an image to the policies whose `include` covers it, without looking at each policy.

use super::children::Children;
use crate::image::{ImagePattern, ImageReference, Segment};

/// The number of a policy in its set.
pub type PolicyNumber = u32;

/// A policy whose `include` covers an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Which policy.
    pub policy: PolicyNumber,
    /// Whether one of its patterns covers the image's tag, too.
    pub tag_covered: bool,
}

/// A trie over the segments of patterns. Matching walks it with the segments of a name and costs what branches that fit,
/// not how many policies there are.
#[derive(Debug)]
pub struct Index {
    nodes: Vec<Node>,
}

/// What a walk through several tries needs, and what it found.
#[derive(Debug, Default)]
pub struct Walk {
    /// What was found.
    pub hits: Vec<Hit>,
    active: Vec<NodeNumber>,
    next: Vec<NodeNumber>,
}

type NodeNumber = usize;

const ROOT: NodeNumber = 0;

#[derive(Debug, Default)]
struct Node {
    children: Children<NodeNumber>,
    /// The node of a `**` that follows this one.
    any: Option<NodeNumber>,
    /// Whether this is the node of a `**`: then it stays where it is with every further segment.
    is_any: bool,
    /// Policies with a pattern without a tag that ends here.
    ends: Vec<PolicyNumber>,
    /// Policies with a pattern with a tag that ends here.
    tagged: Children<Vec<PolicyNumber>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Index {
    /// Adds a pattern of a policy.
    pub fn insert(&mut self, pattern: &ImagePattern, policy: PolicyNumber) {
        let mut at = ROOT;
        for segment in pattern.segments() {
            let new = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(literal) => *node.children.literal_entry(literal, || new),
                Segment::Glob(glob) => *node.children.entry(glob, || new),
                Segment::Any => *node.any.get_or_insert(new),
            };
            if at == new {
                self.nodes.push(Node { is_any: *segment == Segment::Any, ..Node::default() });
            }
        }
        let node = &mut self.nodes[at];
        let ends = match pattern.tag() {
            None => &mut node.ends,
            Some(tag) => node.tagged.entry(tag, Vec::new),
        };
        if ends.last() != Some(&policy) {
            ends.push(policy);
        }
    }

    /// Adds the policies with a pattern that includes `image` to the hits of `walk`, some perhaps more than once.
    pub fn find(&self, image: &ImageReference, walk: &mut Walk) {
        // A trie that only waits for patterns has nothing to find.
        if self.nodes.len() == 1 {
            return;
        }
        let Walk { active, next, hits } = walk;
        active.clear();
        self.enter(ROOT, active);
        for segment in image.segments() {
            next.clear();
            for &number in &*active {
                let node = &self.nodes[number];
                if node.is_any {
                    self.enter(number, next);
                }
                node.children.matching(segment, |&child| self.enter(child, next));
            }
            std::mem::swap(active, next);
        }
        for &number in &*active {
            self.nodes[number].hits(image, hits);
        }
    }

    /// A node, and what follows it without a further segment.
    fn enter(&self, number: NodeNumber, active: &mut Vec<NodeNumber>) {
        let mut entering = Some(number);
        while let Some(number) = entering.filter(|number| !active.contains(number)) {
            active.push(number);
            entering = self.nodes[number].any;
        }
    }
}

impl Node {
    fn hits(&self, image: &ImageReference, hits: &mut Vec<Hit>) {
        let hit = |tag_covered| move |&policy: &PolicyNumber| Hit { policy, tag_covered };
        hits.extend(self.ends.iter().map(hit(true)));
        if image.digest().is_some() {
            // Runtimes ignore the tag beside a digest, so every digest of the repository is covered (design §2).
            hits.extend(self.tagged.values().flatten().map(hit(false)));
        }
        if let Some(tag) = image.tag() {
            self.tagged.matching(tag.as_str(), |policies| hits.extend(policies.iter().map(hit(true))));
        }
    }
}
