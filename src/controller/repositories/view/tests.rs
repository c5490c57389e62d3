//! What is known of an object, whatever order the watch and our own requests come in.

mod crossing;

use kube::api::{ApiResource, DynamicObject};

use super::*;
use crate::api::TrustedRepository;

fn object(name: &str, version: u64) -> DynamicObject {
    let mut object = DynamicObject::new(name, &ApiResource::erase::<TrustedRepository>(&()));
    object.metadata.resource_version = Some(version.to_string());
    object
}

fn held(name: &str, version: u64) -> Held {
    Held::new(object(name, version))
}

/// One that has seen a whole list of these.
fn synced(objects: &[(&str, u64)]) -> View {
    let mut view = View::default();
    list(&mut view, objects);
    view
}

fn list(view: &mut View, objects: &[(&str, u64)]) -> (Vec<String>, Vec<String>) {
    view.take(Change::of(Event::Init));
    for (name, version) in objects {
        view.take(Change::of(Event::InitApply(object(name, *version))));
    }
    names(view.take(Change::of(Event::InitDone)))
}

fn names(taken: Taken) -> (Vec<String>, Vec<String>) {
    let of = |held: Vec<Arc<Held>>| held.iter().map(|held| held.name.to_string()).collect();
    (of(taken.gone), of(taken.unsettled))
}

fn shows(view: &mut View, name: &str, version: u64) {
    assert_eq!(names(view.take(Change::of(Event::Apply(object(name, version))))), (vec![], vec![]));
}

fn deletes(view: &mut View, name: &str, version: u64) -> Vec<String> {
    names(view.take(Change::of(Event::Delete(object(name, version))))).0
}

/// The API server answers a request that is sent now.
fn answers(view: &mut View, name: &str, version: Option<u64>) {
    let asked = view.asks(name);
    view.answered(&asked, version.map(|version| held(name, version)));
}

/// The version that is found; 0 for none; `None` where the API server has to be asked.
fn look(view: &View, name: &str) -> Option<u64> {
    match view.look(name) {
        Look::Found(held) => Some(held.version.parse().unwrap()),
        Look::Absent => Some(0),
        Look::Ask => None,
    }
}

#[test]
fn nothing_is_certain_before_the_first_list_is_whole() {
    let mut view = View::default();
    assert_eq!(look(&view, "a"), None);
    view.take(Change::of(Event::Init));
    view.take(Change::of(Event::InitApply(object("a", 1))));
    assert_eq!((look(&view, "a"), look(&view, "b")), (None, None));
    view.take(Change::of(Event::InitDone));
    assert_eq!((look(&view, "a"), look(&view, "b")), (Some(1), Some(0)));
}

#[test]
fn before_the_first_list_the_api_servers_own_word_counts() {
    let mut view = View::default();
    answers(&mut view, "a", Some(3));
    answers(&mut view, "b", None);
    assert_eq!((look(&view, "a"), look(&view, "b")), (Some(3), Some(0)));
    // A list from before the write says nothing about it; one that has it does.
    assert_eq!(list(&mut view, &[("a", 2), ("b", 4)]), (vec![], vec![]));
    assert_eq!((look(&view, "a"), look(&view, "b")), (Some(3), Some(4)));
}

#[test]
fn what_was_written_here_is_read_here_until_the_watch_has_caught_up() {
    let mut view = synced(&[("a", 1)]);
    view.doubt("a");
    assert_eq!(look(&view, "a"), None, "under way");
    answers(&mut view, "a", Some(5));
    assert_eq!(look(&view, "a"), Some(5));
    shows(&mut view, "a", 3);
    assert_eq!(look(&view, "a"), Some(5), "somebody's write from before");
    shows(&mut view, "a", 5);
    shows(&mut view, "a", 7);
    assert_eq!(look(&view, "a"), Some(7));
    // The answer to our write comes after the watch showed it, and more.
    view.doubt("a");
    let asked = view.asks("a");
    shows(&mut view, "a", 9);
    view.answered(&asked, Some(held("a", 8)));
    assert_eq!(look(&view, "a"), Some(9));
}

#[test]
fn a_deletion_counts_once_and_one_from_before_our_creation_takes_nothing_away() {
    let mut view = synced(&[("a", 1), ("b", 1)]);
    assert_eq!(deletes(&mut view, "b", 2), ["b"]);
    assert_eq!(deletes(&mut view, "b", 2), <[&str; 0]>::default());
    // We learnt of the deletion by a conflict, and created the object anew.
    view.doubt("a");
    answers(&mut view, "a", None);
    assert_eq!(look(&view, "a"), Some(0));
    view.doubt("a");
    answers(&mut view, "a", Some(4));
    assert_eq!(deletes(&mut view, "a", 3), ["a"], "it is told all the same");
    assert_eq!(look(&view, "a"), Some(4));
    shows(&mut view, "a", 4);
    assert_eq!(deletes(&mut view, "a", 5), ["a"]);
    assert_eq!(look(&view, "a"), Some(0));
    // Created and deleted before the watch showed either.
    answers(&mut view, "c", Some(6));
    assert_eq!(deletes(&mut view, "c", 7), ["c"]);
    assert_eq!(look(&view, "c"), Some(0));
}

#[test]
fn an_answer_that_crosses_with_the_watch_settles_nothing() {
    let mut view = synced(&[]);
    view.doubt("a");
    let asked = view.asks("a");
    shows(&mut view, "a", 2);
    view.answered(&asked, None);
    assert_eq!(look(&view, "a"), None, "which of them is later?");
    answers(&mut view, "a", Some(2));
    assert_eq!(look(&view, "a"), Some(2));
    // The API server says that it is gone before the watch does.
    answers(&mut view, "a", None);
    assert_eq!(look(&view, "a"), Some(0));
    assert_eq!(deletes(&mut view, "a", 3), ["a"]);
    shows(&mut view, "a", 4);
    assert_eq!(look(&view, "a"), Some(4));
}

/// An answer that is late says what was once. A reset is not undone by it.
#[test]
fn an_answer_that_comes_after_the_deletion_brings_nothing_back() {
    for created_anew in [false, true] {
        // Our creation; an update of what was there; a status; a look.
        for before in [&[][..], &[("a", 1)]] {
            let mut view = synced(before);
            view.doubt("a");
            let asked = view.asks("a");
            shows(&mut view, "a", 2);
            assert_eq!(deletes(&mut view, "a", 3), ["a"]);
            if created_anew {
                shows(&mut view, "a", 4);
            }
            view.answered(&asked, Some(held("a", 2)));
            assert_eq!(look(&view, "a"), Some(if created_anew { 4 } else { 0 }));
        }
    }
}

#[test]
fn an_answer_from_before_a_list_that_lacks_the_object_is_asked_about() {
    let mut view = synced(&[("z", 1)]);
    view.doubt("a");
    let asked = view.asks("a");
    // Created, and deleted while nobody watched? Or created after the list?
    list(&mut view, &[("z", 1)]);
    view.answered(&asked, Some(held("a", 3)));
    assert_eq!(look(&view, "a"), None);
    answers(&mut view, "a", None);
    assert_eq!(look(&view, "a"), Some(0));
    shows(&mut view, "a", 3);
    assert_eq!(look(&view, "a"), Some(0), "what the watch has yet to show is from before");
    shows(&mut view, "a", 4);
    assert_eq!(look(&view, "a"), Some(0));
    assert_eq!(deletes(&mut view, "a", 5), ["a"]);
    shows(&mut view, "a", 6);
    assert_eq!(look(&view, "a"), Some(6));
}

/// Two requests of ours about one object, whose answers cross.
#[test]
fn an_answer_settles_nothing_that_came_up_after_its_request() {
    let mut view = synced(&[]);
    view.doubt("a");
    let looked = view.asks("a");
    view.doubt("a");
    let created = view.asks("a");
    // The look was answered before the creation, and its answer comes after.
    view.answered(&created, Some(held("a", 2)));
    view.answered(&looked, None);
    assert_eq!(look(&view, "a"), None, "not: there is none");
    answers(&mut view, "a", Some(2));
    let looked = view.asks("a");
    view.doubt("a");
    view.answered(&looked, Some(held("a", 2)));
    assert_eq!(look(&view, "a"), None, "a write is under way");
}

#[test]
fn a_relist_tells_what_is_gone_and_asks_about_what_it_may_be_older_than() {
    let mut view = synced(&[("a", 1), ("b", 1), ("c", 1)]);
    answers(&mut view, "b", Some(3));
    answers(&mut view, "d", Some(4));
    view.doubt("c");
    let (gone, mut unsettled) = list(&mut view, &[]);
    unsettled.sort();
    assert_eq!((gone, unsettled), (vec!["a".to_owned()], ["b", "c", "d"].map(str::to_owned).to_vec()));
    assert_eq!((look(&view, "a"), look(&view, "b"), look(&view, "d")), (Some(0), None, None));
    answers(&mut view, "b", None);
    answers(&mut view, "d", Some(4));
    assert_eq!((look(&view, "b"), look(&view, "d")), (Some(0), Some(4)));
    let mut all: Vec<_> = view.all().iter().map(|held| held.name.to_string()).collect();
    all.sort();
    assert_eq!(all, ["d"]);
}

fn made(name: &str, uid: &str, version: u64) -> DynamicObject {
    let mut object = object(name, version);
    object.metadata.uid = Some(uid.to_owned());
    object
}

/// While nobody watched: deleted, and made anew. That is a reset as well.
#[test]
fn an_object_that_was_replaced_by_another_of_its_name_is_gone() {
    let mut view = View::default();
    let list = |view: &mut View, objects: &[DynamicObject]| {
        view.take(Change::of(Event::Init));
        for object in objects {
            view.take(Change::of(Event::InitApply(object.clone())));
        }
        let taken = view.take(Change::of(Event::InitDone));
        let uids = |all: Vec<Arc<Held>>| {
            let mut uids: Vec<String> = all.iter().map(|held| held.uid.clone().unwrap().into()).collect();
            uids.sort();
            uids
        };
        (uids(taken.gone), uids(taken.unsettled))
    };
    assert_eq!(list(&mut view, &[made("a", "1", 1), made("b", "2", 2)]), (vec![], vec![]));
    assert_eq!(list(&mut view, &[made("a", "3", 3), made("b", "2", 4)]), (vec!["1".to_owned()], vec![]));
    // What we wrote and the watch never showed was replaced as well: once.
    for version in [5, 6] {
        let asked = view.asks("b");
        view.answered(&asked, Some(Held::new(made("b", "2", version))));
    }
    let asked = view.asks("c");
    view.answered(&asked, Some(Held::new(made("c", "7", 7))));
    let lists = [made("a", "3", 3), made("b", "8", 8), made("c", "9", 9)];
    assert_eq!(list(&mut view, &lists), (vec!["2".to_owned(), "7".to_owned()], vec![]));
    let taken = view.take(Change::of(Event::Apply(made("a", "10", 10))));
    assert_eq!(taken.gone.len(), 1);
}

#[test]
fn versions_that_are_no_numbers_are_asked_for() {
    let mut view = synced(&[]);
    let mut odd = object("a", 0);
    odd.metadata.resource_version = Some("odd".to_owned());
    let asked = view.asks("a");
    view.answered(&asked, Some(Held::new(odd)));
    assert_eq!(look(&view, "a"), None);
}
