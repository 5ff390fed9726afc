//! The lease: how long a site goes on without a word from the hub, and what is then done about it, step by step.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_hours(24);

/// After how many days without the hub each step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseTerms {
    /// Staff see a banner.
    pub banner_days: u16,
    /// The manager is told.
    pub alert_days: u16,
    /// The days that are left are counted down.
    pub countdown_days: u16,
    /// Records close; the emergency card stays readable.
    pub lock_days: u16,
    /// The keys are destroyed.
    pub drop_days: u16,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { banner_days: 3, alert_days: 7, countdown_days: 21, lock_days: 30, drop_days: 60 }
    }
}

impl LeaseTerms {
    /// What is wrong with the terms, as a sentence: the steps must follow each other, the lock within 3 to 90 days.
    pub fn fault(&self) -> Option<&'static str> {
        let steps = [self.banner_days, self.alert_days, self.countdown_days, self.lock_days, self.drop_days];
        if !steps.is_sorted() || self.lock_days == self.drop_days {
            return Some(
                "the steps of the lease must follow each other: banner, alert, countdown, lock, drop",
            );
        }
        if !(3..=90).contains(&self.lock_days) {
            return Some("lock_days must be from 3 to 90");
        }
        None
    }

    /// The step that has been reached after so long without the hub.
    pub fn stage(&self, without_hub: Duration) -> LeaseStage {
        let days = u16::try_from(without_hub.as_secs() / DAY.as_secs()).unwrap_or(u16::MAX);
        if days >= self.drop_days {
            LeaseStage::Dropped
        } else if days >= self.lock_days {
            LeaseStage::Locked
        } else if days >= self.countdown_days {
            LeaseStage::Countdown { days_left: self.lock_days - days }
        } else if days >= self.alert_days {
            LeaseStage::Alert { days }
        } else if days >= self.banner_days {
            LeaseStage::Banner { days }
        } else {
            LeaseStage::Good
        }
    }
}

/// How far the lease has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum LeaseStage {
    /// The hub was there lately.
    #[default]
    Good,
    /// Staff see that the hub has been away for so many days.
    Banner {
        /// Days without the hub.
        days: u16,
    },
    /// The manager is told too.
    Alert {
        /// Days without the hub.
        days: u16,
    },
    /// Records close in so many days.
    Countdown {
        /// Days left.
        days_left: u16,
    },
    /// Records are closed; the emergency card stays readable.
    Locked,
    /// The keys are to be destroyed.
    Dropped,
}

impl LeaseStage {
    /// Whether records may be read and written.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Locked | Self::Dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_begins_on_its_day() {
        let terms = LeaseTerms::default();
        let stage =
            |days: u32, seconds: u64| terms.stage((DAY * days).saturating_sub(Duration::from_secs(seconds)));
        assert_eq!(stage(3, 1), LeaseStage::Good);
        assert_eq!(stage(3, 0), LeaseStage::Banner { days: 3 });
        assert_eq!(stage(7, 0), LeaseStage::Alert { days: 7 });
        assert_eq!(stage(21, 0), LeaseStage::Countdown { days_left: 9 });
        assert_eq!(stage(30, 1), LeaseStage::Countdown { days_left: 1 });
        assert_eq!(stage(30, 0), LeaseStage::Locked);
        assert_eq!(stage(60, 0), LeaseStage::Dropped);
    }

    #[test]
    fn terms_out_of_order_or_out_of_range_are_named() {
        assert_eq!(LeaseTerms::default().fault(), None);
        assert!(LeaseTerms { banner_days: 8, ..LeaseTerms::default() }.fault().is_some());
        assert!(LeaseTerms { lock_days: 91, drop_days: 99, ..LeaseTerms::default() }.fault().is_some());
    }
}
