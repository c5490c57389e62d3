//! [`Node`]: the few fields of a workload object that matter here; everything else is skipped, not built.
//!
//! One recursive shape fits all nine kinds, because each of them is a chain of `spec`, `template` and
//! `jobTemplate` that ends in a pod spec. Which chain is whose says the table in `sites`.

mod bounded;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

pub use self::bounded::Groups;
use self::bounded::Parts;
use super::sites::SiteList;

/// A string of the request, borrowed from its bytes where it has no escapes. `null` reads as empty, as Go has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, of nobody's bytes.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// The fields by which one object holds another on the way to its pod spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// `spec`
    Spec,
    /// `template`
    Template,
    /// `jobTemplate`
    JobTemplate,
}

impl Child {
    const ALL: [Self; 3] = [Self::Spec, Self::Template, Self::JobTemplate];

    /// The field's name in JSON.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Template => "template",
            Self::JobTemplate => "jobTemplate",
        }
    }
}

/// An object, a template or a pod spec.
#[derive(Debug, Default)]
pub struct Node<'a> {
    metadata: Option<Metadata<'a>>,
    children: [Option<Box<Node<'a>>>; Child::ALL.len()],
    lists: [Option<Vec<Entry<'a>>>; SiteList::ALL.len()],
    pull_secrets: Option<Vec<Named<'a>>>,
    service_account: Option<Text<'a>>,
}

impl<'a> Node<'a> {
    /// The node at the end of `path`.
    pub fn at(&self, path: &[Child]) -> Option<&Self> {
        path.iter().try_fold(self, |node, child| node.children[*child as usize].as_deref())
    }

    /// The entries of one list of image sites.
    pub fn entries(&self, list: SiteList) -> &[Entry<'a>] {
        self.lists[list as usize].as_deref().unwrap_or_default()
    }

    /// The object's metadata.
    pub fn metadata(&self) -> Option<&Metadata<'a>> {
        self.metadata.as_ref()
    }

    /// Names of `imagePullSecrets`.
    pub fn pull_secrets(&self) -> impl Iterator<Item = &str> {
        self.pull_secrets.iter().flatten().map(|secret| secret.name.as_str())
    }

    /// `serviceAccountName`.
    pub fn service_account(&self) -> &str {
        self.service_account.as_ref().map_or("", Text::as_str)
    }

    /// The same, of nobody's bytes.
    pub fn into_owned(self) -> Node<'static> {
        let secrets = |secrets: Vec<Named<'_>>| {
            secrets.into_iter().map(|secret| Named { name: secret.name.into_owned() }).collect()
        };
        Node {
            metadata: self.metadata.map(Metadata::into_owned),
            children: self.children.map(|child| child.map(|child| Box::new(child.into_owned()))),
            lists: self.lists.map(|list| list.map(|list| list.into_iter().map(Entry::into_owned).collect())),
            pull_secrets: self.pull_secrets.map(secrets),
            service_account: self.service_account.map(Text::into_owned),
        }
    }
}

/// What matters of `metadata`. Nothing in it exempts an image (design §3): the mirror annotation counts only from a node,
/// and an owner only says that digests are written into the pods, not into this object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    generate_name: Text<'a>,
    #[serde(borrow, default)]
    uid: Text<'a>,
    #[serde(default)]
    annotations: Option<Annotations>,
    #[serde(default)]
    owner_references: Option<Vec<Owner>>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    #[serde(default)]
    controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Annotations {
    #[serde(rename = "kubernetes.io/config.mirror", default)]
    mirror: Option<IgnoredAny>,
}

impl Metadata<'_> {
    /// The name; empty before the API server has made one.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The identity that the object keeps for life; empty before the API server has given it one.
    pub fn uid(&self) -> &str {
        self.uid.as_str()
    }

    /// The prefix from which the API server makes a name.
    pub fn generate_name(&self) -> &str {
        self.generate_name.as_str()
    }

    /// Whether the object says that a controller owns it, as a Deployment owns its ReplicaSets.
    pub fn has_controller(&self) -> bool {
        self.owner_references.iter().flatten().any(|owner| owner.controller == Some(true))
    }

    /// Whether the object claims to be the mirror of a static pod.
    pub fn claims_to_be_a_mirror(&self) -> bool {
        self.annotations.as_ref().is_some_and(|annotations| annotations.mirror.is_some())
    }

    fn into_owned(self) -> Metadata<'static> {
        Metadata {
            name: self.name.into_owned(),
            generate_name: self.generate_name.into_owned(),
            uid: self.uid.into_owned(),
            annotations: self.annotations,
            owner_references: self.owner_references,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

/// One container or volume.
#[derive(Debug, Deserialize)]
pub struct Entry<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    image: ImageField<'a>,
}

impl<'a> Entry<'a> {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its image, in whatever form.
    pub fn image(&self) -> &ImageField<'a> {
        &self.image
    }

    fn into_owned(self) -> Entry<'static> {
        Entry {
            name: self.name.into_owned(),
            image: match self.image {
                ImageField::Absent => ImageField::Absent,
                ImageField::Plain(image) => ImageField::Plain(image.into_owned()),
                ImageField::Reference(image) => ImageField::Reference(image.into_owned()),
            },
        }
    }
}

/// The field `image`: a string in containers, an object with `reference` in volumes.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum ImageField<'a> {
    /// There is none.
    #[default]
    Absent,
    /// As containers have it.
    Plain(Text<'a>),
    /// As image volumes have it.
    Reference(Text<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for ImageField<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct ImageVolume<'a> {
            #[serde(borrow, default)]
            reference: Text<'a>,
        }
        struct ImageVisitor;
        impl<'de> Visitor<'de> for ImageVisitor {
            type Value = ImageField<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an image name, or an object with a reference")
            }
            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<ImageField<'de>, E> {
                Ok(ImageField::Plain(Text(Cow::Borrowed(v))))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<ImageField<'de>, E> {
                Ok(ImageField::Plain(Text(Cow::Owned(v.to_owned()))))
            }
            fn visit_unit<E: de::Error>(self) -> Result<ImageField<'de>, E> {
                Ok(ImageField::Absent)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ImageField<'de>, A::Error> {
                let volume = ImageVolume::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(ImageField::Reference(volume.reference))
            }
        }
        deserializer.deserialize_any(ImageVisitor)
    }
}

/// Which field of a [`Node`] a key names.
enum Field {
    Metadata,
    Child(Child),
    List(SiteList),
    PullSecrets,
    ServiceAccount,
    Other,
}

impl Field {
    fn named(key: &str) -> Self {
        match key {
            "metadata" => Self::Metadata,
            "imagePullSecrets" => Self::PullSecrets,
            "serviceAccountName" => Self::ServiceAccount,
            _ => match Child::ALL.into_iter().find(|child| child.field() == key) {
                Some(child) => Self::Child(child),
                None => {
                    SiteList::ALL.into_iter().find(|list| list.field() == key).map_or(Self::Other, Self::List)
                }
            },
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;
        impl Visitor<'_> for FieldVisitor {
            type Value = Field;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_str<E: de::Error>(self, key: &str) -> Result<Field, E> {
                Ok(Field::named(key))
            }
        }
        deserializer.deserialize_identifier(FieldVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::of_object();
        let node = NodeSeed(&parts).deserialize(deserializer)?;
        node.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Unit, &"an object"))
    }
}

/// Reads a node, or `null`, with all that is below it.
struct NodeSeed<'p>(&'p Parts);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Option<Node<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Option<Node<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let parts = self.0;
        parts.one_more()?;
        let mut node = Node::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Metadata => once(&mut node.metadata, map.next_value()?)?,
                Field::Child(child) => {
                    let value = map.next_value_seed(NodeSeed(parts))?;
                    once(&mut node.children[child as usize], value.map(Box::new))?;
                }
                Field::List(list) => {
                    once(&mut node.lists[list as usize], map.next_value_seed(parts.list())?)?;
                }
                Field::PullSecrets => once(&mut node.pull_secrets, map.next_value_seed(parts.list())?)?,
                Field::ServiceAccount => once(&mut node.service_account, map.next_value()?)?,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(node))
    }
}

/// A field that stands twice is refused: of two readers of such an object, each could take another one.
fn once<T, E: de::Error>(field: &mut Option<T>, value: Option<T>) -> Result<(), E> {
    if field.is_some() {
        return Err(E::custom("a field that holds images stands twice"));
    }
    *field = value;
    Ok(())
}
