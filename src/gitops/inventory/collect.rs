//! [`Collected`]: pods and templates, aggregated by namespace, owner, site and image.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::object::{Declared, Owner, Pod, Template};
use crate::admission::sites::SiteList;

/// What one row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The namespace.
    pub namespace: Box<str>,
    /// The topmost controller that is known; a pod that nobody controls is its own.
    pub owner: Owner,
    /// In which list of the pod spec.
    pub list: SiteList,
    /// The container's or volume's name.
    pub name: Box<str>,
    /// The image, as the pods have it; without pods, as the template has it.
    pub image: Box<str>,
}

/// What is known of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// How many pods have it.
    pub pods: usize,
    /// How many pods run which digest, `sha256:…`. Those whose status names none are not in it.
    pub running: BTreeMap<Box<str>, usize>,
    /// The image that the owner's template has at this site now; `None` where there is none.
    pub template: Option<Box<str>>,
}

/// Everything, by place.
#[derive(Debug, Default)]
pub struct Collected(pub BTreeMap<Place, Found>);

type Key = (Box<str>, Owner);

/// Templates by namespace and object.
#[derive(Debug, Default)]
struct Templates(HashMap<Key, Template>);

/// How many controllers above one another are followed. A CronJob, its Job and the Job's Pod are three levels.
const HIGHEST: usize = 8;

impl Templates {
    /// The topmost controller of `owner`. Beyond an object that was not read nobody knows who is above.
    fn top(&self, namespace: &str, owner: Owner) -> Owner {
        let mut top = owner;
        for _ in 0..HIGHEST {
            let key = (Box::from(namespace), top);
            let above = self.0.get(&key).and_then(|template| template.controller.clone());
            top = key.1;
            match above {
                Some(above) => top = above,
                None => break,
            }
        }
        top
    }

    /// The nearest template from the top down that was read: the owner's own, or that of what it made for the pods.
    fn of(&self, namespace: &str, top: &Owner, maker: Option<&Owner>) -> Option<&Template> {
        let get = |owner: &Owner| self.0.get(&(Box::from(namespace), owner.clone()));
        get(top).or_else(|| maker.and_then(get))
    }
}

impl Template {
    fn image(&self, list: SiteList, name: &str) -> Option<&str> {
        let is_there = |site: &&Declared| site.list == list && &*site.name == name;
        self.sites.iter().find(is_there).map(|site| &*site.image)
    }
}

impl Collected {
    /// Aggregates. Each template without pods has its own rows, unless something else made it, or it makes none any more.
    pub fn of(pods: impl IntoIterator<Item = Pod>, templates: Vec<Template>) -> Self {
        let key = |template: Template| ((template.namespace.clone(), template.owner.clone()), template);
        let templates = Templates(templates.into_iter().map(key).collect());
        let mut all = Self::default();
        let mut with_pods: BTreeSet<Key> = BTreeSet::new();
        for pod in pods {
            all.add(&pod, &templates, &mut with_pods);
        }
        for ((namespace, owner), template) in &templates.0 {
            let key = (namespace.clone(), owner.clone());
            if template.controller.is_some() || template.has_ended || with_pods.contains(&key) {
                continue;
            }
            for site in &template.sites {
                let found = all.at(namespace, owner, site);
                found.template = Some(site.image.clone());
            }
        }
        all
    }

    fn add(&mut self, pod: &Pod, templates: &Templates, with_pods: &mut BTreeSet<Key>) {
        let namespace = pod.namespace();
        let maker = pod.controller();
        let owner = match &maker {
            Some(maker) => templates.top(namespace, maker.clone()),
            None => pod.itself(),
        };
        let template = templates.of(namespace, &owner, maker.as_ref());
        with_pods.insert((namespace.into(), owner.clone()));
        for (site, running) in pod.sites() {
            let found = self.at(namespace, &owner, site);
            found.pods += 1;
            if let Some(digest) = running {
                *found.running.entry(digest.into()).or_default() += 1;
            }
            found.template = match (&maker, template) {
                // Nothing makes it anew but who applies it again.
                (None, _) => Some(site.image.clone()),
                (Some(_), Some(template)) => template.image(site.list, &site.name).map(Into::into),
                (Some(_), None) => None,
            };
        }
    }

    fn at(&mut self, namespace: &str, owner: &Owner, site: &Declared) -> &mut Found {
        let place = Place {
            namespace: namespace.into(),
            owner: owner.clone(),
            list: site.list,
            name: site.name.clone(),
            image: site.image.clone(),
        };
        self.0.entry(place).or_default()
    }
}
