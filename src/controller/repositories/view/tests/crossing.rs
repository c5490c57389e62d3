//! Whatever order requests, answers, events and lists come in: what is known of an object never goes back in time.

use proptest::prelude::*;

use super::*;

/// What happens next. Numbers choose among the requests that are open.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Somebody else creates or updates the object.
    OthersWrite,
    OthersDelete,
    /// Somebody writes another object.
    Elsewhere,
    /// The watch shows its next event.
    Show,
    /// The watch is lost, and a list is asked for.
    ListBegins,
    ListEnds,
    /// Requests of ours are sent.
    Look,
    Write,
    Status,
    /// The API server does what was asked.
    Serve(usize),
    /// Its answer is taken.
    Take(usize),
    /// Its answer is lost; it may yet be served.
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::OthersWrite),
        2 => Just(Step::OthersDelete),
        1 => Just(Step::Elsewhere),
        6 => Just(Step::Show),
        1 => Just(Step::ListBegins),
        2 => Just(Step::ListEnds),
        2 => Just(Step::Look),
        3 => Just(Step::Write),
        1 => Just(Step::Status),
        6 => any::<usize>().prop_map(Step::Serve),
        6 => any::<usize>().prop_map(Step::Take),
        1 => any::<usize>().prop_map(Step::Lose),
    ]
}

/// An object as it is at one time: who it is, and its version.
type State = Option<(u64, u64)>;

#[derive(Debug, Clone, Copy)]
enum Request {
    Get,
    Create,
    Replace(u64, u64),
    Status,
}

#[derive(Debug)]
struct Open {
    request: Request,
    asked: Asked,
    /// `Some(None)`: a conflict, or nothing that the view hears of.
    answer: Option<Option<State>>,
    is_lost: bool,
}

/// The API server's side, and what this replica must know.
#[derive(Debug, Default)]
struct World {
    version: u64,
    object: State,
    other: Option<u64>,
    /// At which version the object became what.
    history: Vec<(u64, State)>,
    /// What the watch has yet to show.
    events: Vec<(u64, &'static str, State)>,
    /// The list that is on its way: whose version, and what it has.
    listing: Option<(u64, State, Option<u64>)>,
    open: Vec<Open>,
    view: View,
    /// The version of the latest state that was known here.
    known: u64,
}

fn made((who, version): (u64, u64)) -> DynamicObject {
    let mut object = object("a", version);
    object.metadata.uid = Some(who.to_string());
    object
}

impl World {
    fn set(&mut self, object: State) {
        self.version += 1;
        let object = object.map(|(who, _)| (who, self.version));
        let event = if object.is_some() { "a" } else { "gone" };
        let shown = object.or(self.object.map(|(who, _)| (who, self.version)));
        self.object = object;
        self.history.push((self.version, object));
        self.events.push((self.version, event, shown));
    }

    fn upsert(&mut self) -> State {
        let who = self.object.map_or(self.version + 1, |(who, _)| who);
        self.set(Some((who, 0)));
        self.object
    }

    fn show(&mut self, event: &str, shown: State) {
        let change = match (event, shown) {
            ("z", Some((_, version))) => Event::Apply(object("z", version)),
            ("gone", Some(shown)) => Event::Delete(made(shown)),
            (_, shown) => Event::Apply(made(shown.unwrap())),
        };
        self.view.take(Change::of(change));
    }

    fn send(&mut self, request: Request) {
        let asked = self.view.asks("a");
        self.open.push(Open { request, asked, answer: None, is_lost: false });
    }

    /// What the API server says: the object or that there is none; `None`: another answer.
    fn serve(&mut self, request: Request) -> Option<State> {
        match (request, self.object) {
            (Request::Get, object) => Some(object),
            (Request::Create, None) => Some(self.upsert()),
            (Request::Replace(who, version), object) if object == Some((who, version)) => Some(self.upsert()),
            (Request::Status, Some(_)) => Some(self.upsert()),
            (Request::Create | Request::Replace(..) | Request::Status, _) => None,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::OthersWrite => {
                self.upsert();
            }
            Step::OthersDelete if self.object.is_some() => self.set(None),
            Step::Elsewhere => {
                self.version += 1;
                self.other = Some(self.version);
                self.events.push((self.version, "z", Some((0, self.version))));
            }
            Step::Show if self.listing.is_none() && !self.events.is_empty() && self.view.is_synced() => {
                let (version, event, shown) = self.events.remove(0);
                self.show(event, shown);
                self.known = self.known.max(version);
            }
            Step::ListBegins => self.listing = Some((self.version, self.object, self.other)),
            Step::ListEnds => self.list_ends(),
            Step::Look => self.send(Request::Get),
            Step::Write => {
                let request = match self.view.look("a") {
                    Look::Found(held) => {
                        let number = |text: &str| text.parse().unwrap();
                        Request::Replace(number(held.uid.as_deref().unwrap()), number(&held.version))
                    }
                    Look::Absent | Look::Ask => Request::Create,
                };
                self.view.doubt("a");
                self.send(request);
            }
            Step::Status => self.send(Request::Status),
            Step::Serve(which) => {
                let waiting: Vec<_> =
                    (0..self.open.len()).filter(|at| self.open[*at].answer.is_none()).collect();
                if let Some(at) = waiting.get(which % waiting.len().max(1)) {
                    self.open[*at].answer = Some(self.serve(self.open[*at].request));
                }
            }
            Step::Take(which) => {
                let answered = |open: &Open| open.answer.is_some();
                let answered: Vec<_> = (0..self.open.len()).filter(|at| answered(&self.open[*at])).collect();
                if let Some(at) = answered.get(which % answered.len().max(1)) {
                    let open = self.open.remove(*at);
                    self.hear(open);
                }
            }
            Step::Lose(which) if !self.open.is_empty() => {
                let at = which % self.open.len();
                self.open[at].is_lost = true;
            }
            Step::OthersDelete | Step::Show | Step::Lose(_) => {}
        }
    }

    fn hear(&mut self, open: Open) {
        let Some(Some(answer)) = open.answer.filter(|_| !open.is_lost) else { return };
        if !matches!(open.request, Request::Get)
            && let Some((_, version)) = answer
        {
            self.known = self.known.max(version);
        }
        self.view.answered(&open.asked, answer.map(|object| Held::new(made(object))));
    }

    fn list_ends(&mut self) {
        let Some((at, object_then, other)) = self.listing.take() else { return };
        self.view.take(Change::of(Event::Init));
        for listed in object_then.map(made).into_iter().chain(other.map(|version| object("z", version))) {
            self.view.take(Change::of(Event::InitApply(listed)));
        }
        self.view.take(Change::of(Event::InitDone));
        self.events.retain(|(version, ..)| *version > at);
        self.known = self.known.max(at);
    }

    /// What is known is how it was at some time, and no earlier than what was known before.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let state = match self.view.look("a") {
            Look::Ask => return Ok(()),
            Look::Absent => None,
            Look::Found(held) => {
                let number = |text: &str| text.parse().unwrap();
                Some((number(held.uid.as_deref().unwrap()), number(&held.version)))
            }
        };
        let began = std::iter::once((0, None)).chain(self.history.iter().copied());
        let ended = self.history.iter().map(|(version, _)| *version).chain([u64::MAX]);
        let when = began.zip(ended).find(|((_, was), ended)| *was == state && *ended > self.known);
        let Some(((began, _), _)) = when else {
            return Err(TestCaseError::fail(format!("{state:?} is older than {}: {self:#?}", self.known)));
        };
        self.known = self.known.max(began);
        Ok(())
    }
}

proptest! {
    #![proptest_config(crate::random::cases(1024))]
    #[test]
    fn what_is_known_never_goes_back_in_time_and_ends_at_the_truth(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
            world.check()?;
        }
        // Everything arrives.
        for step in [Step::ListBegins, Step::ListEnds] {
            world.step(step);
            world.check()?;
        }
        while !world.open.is_empty() {
            world.step(Step::Serve(0));
            world.step(Step::Take(0));
            world.check()?;
        }
        while !world.events.is_empty() {
            world.step(Step::Show);
            world.check()?;
        }
        for step in [Step::Look, Step::Serve(0), Step::Take(0)] {
            world.step(step);
        }
        let known = match world.view.look("a") {
            Look::Ask => return Err(TestCaseError::fail(format!("nobody disturbs, and it is not known: {world:#?}"))),
            Look::Absent => None,
            Look::Found(held) => Some(held.version.parse().unwrap()),
        };
        prop_assert_eq!(known, world.object.map(|(_, version)| version));
    }
}
