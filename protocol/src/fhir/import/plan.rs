//! `CarePlan` with its `Goal`s, and `Goal`s that stand alone.

use serde_json::Value;

use super::{Draft, NotMapped, Reading};
use crate::fhir::concept::label;
use crate::fhir::view::{View, capped, cut, cut_to};
use crate::record::entry::Body;
use crate::record::plan::CareGoal;
use crate::scope::Section;

pub(super) fn read_care_plan(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let plan = reading.resource;
    if plan.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Plan));
    }
    let title = plan.text("title").map(|t| cut_to(t, 300));
    let category = capped(plan.list("category")).iter().filter_map(label).next_back();
    let description = plan.text("description").map(cut);
    let goals = capped(plan.list("goal")).iter().filter_map(|g| {
        let held = reading.resolve(g).and_then(|g| g.one("description")).and_then(label);
        held.or_else(|| g.text("display").map(|d| cut_to(d, 500)))
    });
    let wanted: Vec<String> = description.into_iter().chain(goals).collect();
    let heading = title.clone().or_else(|| category.clone()).unwrap_or_else(|| "Care plan".to_owned());
    let actions: Vec<String> =
        capped(plan.list("activity")).iter().filter_map(|a| activity(reading, a)).collect();
    if wanted.is_empty() && actions.is_empty() && title.is_none() && category.is_none() {
        return Err(NotMapped::Missing("description"));
    }
    let goal =
        if wanted.is_empty() { category.unwrap_or_else(|| heading.clone()) } else { cut(&wanted.join("\n")) };
    let body = Body::CareGoal(CareGoal {
        heading,
        goal,
        actions: (!actions.is_empty()).then(|| cut(&actions.join("\n"))),
        review: None,
        active: matches!(plan.text("status"), Some("active" | "on-hold") | None),
    });
    let start = plan.path_text(&["period", "start"]).or_else(|| plan.text("created"));
    Ok(reading.draft(Section::Plan, start, body))
}

fn activity(reading: Reading<'_>, activity: &Value) -> Option<String> {
    let detail = activity.one("detail");
    let said = detail.and_then(|d| {
        d.text("description").map(|t| cut_to(t, 500)).or_else(|| d.one("code").and_then(label))
    });
    let referred = || {
        let reference = activity.one("reference")?;
        let shown = reference.text("display").map(|d| cut_to(d, 500));
        shown.or_else(|| reading.resolve(reference)?.one("code").and_then(label))
    };
    let words = said.or_else(referred)?;
    let avoid = detail.and_then(|d| d.flag("doNotPerform")) == Some(true);
    Some(if avoid { format!("Do not: {words}") } else { words })
}

pub(super) fn read_goal(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let goal = reading.resource;
    let status = goal.text("lifecycleStatus");
    if status == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Plan));
    }
    let body = Body::CareGoal(CareGoal {
        heading: goal.one("category").and_then(label).unwrap_or_else(|| "Goal".to_owned()),
        goal: goal.one("description").and_then(label).ok_or(NotMapped::Missing("description"))?,
        actions: None,
        review: None,
        active: !matches!(status, Some("completed" | "cancelled" | "rejected")),
    });
    Ok(reading.draft(Section::Plan, goal.text("startDate").or_else(|| goal.text("statusDate")), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::context;
    use crate::fhir::{ResourceSet, import};
    use serde_json::json;

    #[test]
    fn a_plan_tells_its_goals_and_they_are_not_told_twice() {
        let goal = json!({"resourceType": "Goal", "id": "g", "lifecycleStatus": "active",
            "description": {"text": "Walk to the garden"}});
        let plan = json!({"resourceType": "CarePlan", "id": "c", "status": "active", "category": [{"text": "Mobility"}],
            "goal": [{"reference": "Goal/g"}],
            "activity": [{"detail": {"description": "Frame within reach"}},
                {"detail": {"code": {"text": "stairs"}, "doNotPerform": true}}]});
        let set = ResourceSet::of([goal.clone(), plan.clone()]);
        let drafts = import(&set, &plan, &context()).unwrap();
        let expected = CareGoal {
            heading: "Mobility".into(),
            goal: "Walk to the garden".into(),
            actions: Some("Frame within reach\nDo not: stairs".into()),
            review: None,
            active: true,
        };
        assert_eq!(drafts[0].body, Body::CareGoal(expected));
        assert_eq!(import(&set, &goal, &context()), Err(NotMapped::PartOf("CarePlan/c".into())));
        assert!(import(&ResourceSet::of([goal.clone()]), &goal, &context()).is_ok());
    }
}
