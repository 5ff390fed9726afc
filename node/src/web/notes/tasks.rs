//! Tasks of the site: what, about whom, for whom, until when; done with what came of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::dose_times;
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::site::Task;
use hearth_protocol::record::site::tasks::TasksView;
use hearth_protocol::record::{Body, Entry, Role, Thing};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::{Date, TimeOfDay, Timestamp};

use crate::records::Draft;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place, role_words};
use crate::web::requester::{Posted, Requester, section_words};
use crate::web::{Web, page};

/// A task as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Which.
    pub id: EntryId,
    /// About whom.
    pub resident: Option<ResidentId>,
    /// What.
    pub text: String,
    /// Until when, for whom, by whom.
    pub about: String,
    /// Whether its time is over.
    pub overdue: bool,
    /// Whether people changed it apart.
    pub apart: bool,
}

impl TaskRow {
    /// What, until when and for whom, in one line.
    pub fn in_a_line(&self) -> String {
        let overdue = if self.overdue { "! Overdue \u{2013} " } else { "" };
        format!("{overdue}{} \u{2013} {}", self.text, self.about)
    }
}

/// A resident as they are chosen and named in lists.
#[derive(Clone, Debug)]
pub struct Named {
    /// Who.
    pub id: ResidentId,
    /// `SMITH, Margaret (Mrs), room 12`.
    pub name: String,
}

/// Tasks with the names of whom they are about.
type Listed = Vec<(TaskRow, Option<String>)>;

#[derive(Template)]
#[template(path = "notes/tasks.html")]
struct TasksPage {
    frame: Frame,
    sheet: Sheet,
    can_record: bool,
    /// Heading, its id, what to say when there is none, and the tasks with whom each is about.
    lists: [(&'static str, &'static str, &'static str, Listed); 2],
    people: Vec<Named>,
    roles: [(&'static str, &'static str); 5],
    repeats: [(&'static str, &'static str); 4],
}

#[derive(Template)]
#[template(path = "notes/task.html")]
struct TaskPage {
    frame: Frame,
    sheet: Sheet,
    can_record: bool,
    task: TaskRow,
    about: Option<Named>,
    is_done: bool,
    outcome: Option<String>,
}

const TEXT_CHARS_MAX: usize = 500;
/// Most tasks that are done in the list.
const DONE_MOST: usize = 30;
/// For whom a task can be, by key.
const ROLES: [(&str, &str, Option<Role>); 5] = [
    ("", "Anybody", None),
    ("carer", "Carer", Some(Role::Carer)),
    ("senior", "Senior carer", Some(Role::Senior)),
    ("nurse", "Nurse", Some(Role::Nurse)),
    ("manager", "Manager", Some(Role::Manager)),
];
/// How often a task comes again, by key.
const REPEATS: [(&str, &str); 4] =
    [("", "Once"), ("daily", "Every day"), ("weekly", "Every week"), ("monthly", "Every month")];

/// The list, and the form for a new one.
pub(super) async fn show(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let sheet = Sheet::new(&web, &requester);
    Ok(page::html(&tasks_page(&web, &requester, sheet).await?))
}

/// Adds a task.
pub(super) async fn add(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    require(&requester, Action::Record)?;
    let mut problems = Problems::default();
    let task = read(&fields, &people(&web).await?, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&tasks_page(&web, &requester, sheet).await?));
    }
    let draft = draft(&web, task);
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see("/tasks"))
}

/// One task.
pub(super) async fn one(
    State(web): State<Web>,
    requester: Requester,
    Path(task): Path<String>,
) -> Result<Response, PageError> {
    let sheet = Sheet::new(&web, &requester);
    Ok(page::html(&task_page(&web, &requester, &task, sheet).await?))
}

/// Says that a task is done. One that repeats is made anew.
pub(super) async fn finish(
    State(web): State<Web>,
    Path(task): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    require(&requester, Action::Record)?;
    let entries = entries(&web).await?;
    let view = TasksView::of(&entries);
    let thing = find(&view, &task)?;
    let newest = thing.newest().ok_or(PageError::NotFound)?;
    let mut problems = Problems::default();
    let outcome = problems.optional(&fields, "outcome", TEXT_CHARS_MAX);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&task_page(&web, &requester, &task, sheet).await?));
    }
    if newest.body.done && !thing.is_contested() {
        return Ok(page::see("/tasks"));
    }
    let done = Task { done: true, outcome, ..newest.body.clone() };
    let may_settle = requester.may(Section::Tasks, Action::Settle);
    let replaces = if may_settle { thing.to_replace() } else { vec![newest.entry.id] };
    let mut drafts = vec![Draft { thread: Some(thing.id()), replaces, ..draft(&web, done) }];
    drafts.extend(next(newest.body, web.now()).map(|task| draft(&web, task)));
    web.records().add(&requester.who(), key, drafts).await?;
    Ok(page::see("/tasks"))
}

fn require(requester: &Requester, action: Action) -> Result<(), PageError> {
    if requester.may(Section::Tasks, action) {
        Ok(())
    } else {
        Err(PageError::Refused(section_words(Section::Tasks)))
    }
}

async fn entries(web: &Web) -> Result<Vec<Entry>, PageError> {
    Ok(web.records().entries(Subject::Site(web.site().id), &[Section::Tasks], None).await?)
}

fn draft(web: &Web, task: Task) -> Draft {
    Draft {
        subject: Subject::Site(web.site().id),
        section: Section::Tasks,
        happened: web.now(),
        thread: None,
        replaces: Vec::new(),
        body: Body::Task(task),
    }
}

/// The residents of the site as lists name them, by name.
pub(in crate::web) async fn people(web: &Web) -> Result<Vec<Named>, PageError> {
    let mut people = Vec::new();
    for resident in web.records().residents().await? {
        let Some(named) = &resident.demographics else { continue };
        let room = resident.placement.as_ref().and_then(|p| p.room.clone());
        let room = room.map(|room| format!(", room {room}")).unwrap_or_default();
        people.push(Named { id: resident.id, name: format!("{}{room}", format::name(&named.name)) });
    }
    people.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(people)
}

fn find<'v, 'a>(view: &'v TasksView<'a>, task: &str) -> Result<&'v Thing<'a, Task>, PageError> {
    let id: EntryId = task.parse().map_err(|_| PageError::NotFound)?;
    view.open.iter().chain(&view.done).find(|thing| thing.id() == id).ok_or(PageError::NotFound)
}

/// The rows of those tasks that are wanted, in their order.
pub(in crate::web) fn rows(
    tasks: &[Thing<'_, Task>],
    now: Timestamp,
    wanted: impl Fn(&Task) -> bool,
) -> Vec<TaskRow> {
    let wanted = |thing: &&Thing<'_, Task>| thing.newest().is_some_and(|v| wanted(v.body));
    tasks.iter().filter(wanted).filter_map(|thing| row(thing, now)).collect()
}

fn row(thing: &Thing<'_, Task>, now: Timestamp) -> Option<TaskRow> {
    let newest = thing.newest()?;
    let task = newest.body;
    let first = thing.versions().next()?;
    let parts = [
        task.due.map(|due| format!("By {}", format::date_time(due))),
        Some(
            task.role
                .map_or("For anybody".to_owned(), |role| format!("For: {}", role_words(role).to_lowercase())),
        ),
        task.repeats.as_deref().map(|key| repeat_words(key).to_owned()),
        Some(format!("asked by {}", first.entry.author.name)),
        task.done.then(|| {
            format!(
                "\u{2713} done by {}, {}",
                newest.entry.author.name,
                format::date_time(newest.entry.happened)
            )
        }),
        task.outcome.clone(),
    ];
    Some(TaskRow {
        id: thing.id(),
        resident: task.resident,
        text: task.text.clone(),
        about: parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{2013} "),
        overdue: !task.done && task.due.is_some_and(|due| due < now),
        apart: thing.is_contested(),
    })
}

fn repeat_words(key: &str) -> &str {
    REPEATS.iter().find(|(known, _)| *known == key).map_or(key, |(_, words)| words)
}

async fn tasks_page(web: &Web, requester: &Requester, sheet: Sheet) -> Result<TasksPage, PageError> {
    require(requester, Action::View)?;
    let (entries, people) = (entries(web).await?, people(web).await?);
    let view = TasksView::of(&entries);
    let named = |row: TaskRow| {
        let name = row.resident.and_then(|id| people.iter().find(|named| named.id == id));
        let name = name.map(|named| named.name.clone());
        (row, name)
    };
    let list = |things: &[Thing<'_, Task>]| {
        rows(things, web.now(), |_| true).into_iter().map(named).collect::<Vec<_>>()
    };
    let done = view.done.iter().take(DONE_MOST).cloned().collect::<Vec<_>>();
    let frame = sheet.frame(web.frame(Some(&requester.signed_in)).titled("Tasks", Place::More));
    Ok(TasksPage {
        can_record: requester.may_record(Section::Tasks),
        lists: [
            ("To do", "open", "Nothing is to be done.", list(&view.open)),
            ("Done", "done", "Nothing was done yet.", list(&done)),
        ],
        roles: ROLES.map(|(key, words, _)| (key, words)),
        repeats: REPEATS,
        frame,
        sheet,
        people,
    })
}

async fn task_page(
    web: &Web,
    requester: &Requester,
    task: &str,
    sheet: Sheet,
) -> Result<TaskPage, PageError> {
    require(requester, Action::View)?;
    let (entries, people) = (entries(web).await?, people(web).await?);
    let view = TasksView::of(&entries);
    let thing = find(&view, task)?;
    let newest = thing.newest().ok_or(PageError::NotFound)?;
    let row = row(thing, web.now()).ok_or(PageError::NotFound)?;
    let frame = sheet.frame(web.frame(Some(&requester.signed_in)).titled("Task", Place::More));
    Ok(TaskPage {
        can_record: requester.may_record(Section::Tasks),
        about: row.resident.and_then(|id| people.into_iter().find(|named| named.id == id)),
        is_done: newest.body.done && !thing.is_contested(),
        outcome: newest.body.outcome.clone(),
        task: row,
        frame,
        sheet,
    })
}

fn read(fields: &Fields, people: &[Named], problems: &mut Problems) -> Task {
    let text = problems.required(fields, "text", TEXT_CHARS_MAX, "what has to be done");
    let resident = fields.some("resident").map(|typed| {
        let known = typed.parse().ok().filter(|id| people.iter().any(|named| named.id == *id));
        known.unwrap_or_else(|| {
            problems.add("resident", "Choose a resident of the list");
            ResidentId(uuid::Uuid::nil())
        })
    });
    let due = due(fields, problems);
    let role = ROLES.iter().find(|(key, ..)| *key == fields.text("role")).and_then(|(.., role)| *role);
    let repeats = fields.some("repeats").filter(|key| REPEATS.iter().any(|(known, _)| known == key));
    if repeats.is_some() && due.is_none() {
        problems.add("date", "Say until when: a task that repeats needs a day to count from");
    }
    Task { resident, text, due, role, done: false, outcome: None, repeats, about: None }
}

fn due(fields: &Fields, problems: &mut Problems) -> Option<Timestamp> {
    let (date, time) = (fields.some("date"), fields.some("time"));
    let date = match (date, &time) {
        (None, None) => return None,
        (None, Some(_)) => {
            problems.add("date", "Enter the day too");
            return None;
        }
        (Some(date), _) => date.parse::<Date>().ok(),
    };
    let time = time.unwrap_or_else(|| "20:00".to_owned()).parse::<TimeOfDay>().ok();
    let due = date.zip(time).and_then(|(date, time)| dose_times::moment(date, time));
    if due.is_none() {
        problems.add("date", "Enter the day and time as the fields offer them");
    }
    due
}

/// The task that follows one that repeats: at the same time of the first such day after now.
fn next(task: &Task, now: Timestamp) -> Option<Task> {
    let due = task.due?.in_zone();
    let step = |count: i32| match task.repeats.as_deref()? {
        "daily" => due.checked_add(jiff::Span::new().days(count)).ok(),
        "weekly" => due.checked_add(jiff::Span::new().weeks(count)).ok(),
        "monthly" => due.checked_add(jiff::Span::new().months(count)).ok(),
        _ => None,
    };
    let mut steps = (1..=STEPS_MAX).map_while(step).map(|at| Timestamp(at.timestamp().as_millisecond()));
    let due = steps.find(|at| *at > now)?;
    Some(Task { due: Some(due), done: false, outcome: None, ..task.clone() })
}

/// Most days, weeks or months that are stepped over to find the next time of a task that was forgotten.
const STEPS_MAX: i32 = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_task_that_repeats_keeps_its_time_on_the_wall_and_skips_what_was_forgotten() {
        let daily = |due: &str| Task {
            text: "Check the fridge".into(),
            due: Some(at(due)),
            done: true,
            repeats: Some("daily".into()),
            ..Task::default()
        };
        let next_of = |due: &str, now: &str| next(&daily(due), at(now)).and_then(|task| task.due);
        assert_eq!(next_of("2026-12-01T09:00:00Z", "2026-12-01T08:00:00Z"), Some(at("2026-12-02T09:00:00Z")));
        assert_eq!(next_of("2026-12-01T09:00:00Z", "2026-12-05T10:00:00Z"), Some(at("2026-12-06T09:00:00Z")));
        assert_eq!(next_of("2026-03-28T09:00:00Z", "2026-03-28T10:00:00Z"), Some(at("2026-03-29T08:00:00Z")));
        let once = Task { repeats: None, ..daily("2026-12-01T09:00:00Z") };
        assert_eq!(next(&once, at("2026-12-01T10:00:00Z")), None);
    }
}
