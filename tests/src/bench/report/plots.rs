//! The figures as plots: small multiples, one file a measurement, every scale logarithmic.

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::markdown::shown;
use super::{Measurement, Outcome, Report};
use crate::bench::run::{Scenario, System};
use crate::bench::sample::{Figure, Sample};

const PANEL: (u32, u32) = (460, 58);
const ROW: u32 = 22;
const COLUMNS: usize = 2;
const LABELS: u32 = 150;
const TEXT: (&str, u32) = ("sans-serif", 13);
/// Room right of the largest value, for its number.
const ROOM: f64 = 6.0;
const OWN: RGBColor = RGBColor(0, 84, 166);
const OTHER: RGBColor = RGBColor(90, 90, 90);

/// A plot and the file in which it stands.
pub(super) struct Plot {
    pub(super) file: String,
    pub(super) title: String,
    pub(super) svg: String,
}

/// One small chart: a figure of one scenario.
struct Panel {
    title: String,
    rows: Vec<Row>,
}

/// A dot with its spread.
struct Row {
    label: String,
    is_own: bool,
    low: f64,
    median: f64,
    high: f64,
}

/// What is plotted of a scenario.
#[derive(Clone, Copy)]
enum Plotted {
    Of(Figure),
    /// Bytes of both directions.
    Bytes,
}

const OF_A_SYNC: [Plotted; 4] =
    [Plotted::Of(Figure::CpuS), Plotted::Bytes, Plotted::Of(Figure::WallS), Plotted::Of(Figure::RssMb)];
const OF_LIVE: [Plotted; 4] = [
    Plotted::Of(Figure::SeenP50Ms),
    Plotted::Of(Figure::SeenP99Ms),
    Plotted::Of(Figure::SavedP50Ms),
    Plotted::Of(Figure::CpuS),
];
const OF_A_RECONNECT: [Plotted; 2] = [Plotted::Of(Figure::CpuS), Plotted::Bytes];

const OF_JOINING: [Plotted; 4] =
    [Plotted::Of(Figure::HubCpuS), Plotted::Bytes, Plotted::Of(Figure::WallS), Plotted::Of(Figure::HubRssMb)];
const OF_WRITING: [Plotted; 4] = [
    Plotted::Of(Figure::HubCpuPercent),
    Plotted::Bytes,
    Plotted::Of(Figure::BehindS),
    Plotted::Of(Figure::HubRssMb),
];
/// A row's label, scenario and figure.
type SitesRow = (&'static str, Scenario, Figure);
/// What is plotted of thousands of sites: for each chart its rows.
const OF_SITES: [(&str, &[SitesRow]); 6] = [
    ("memory of the hub a link, bytes", &[("connected", Scenario::Connect, Figure::LinkBytes)]),
    (
        "peak memory of the hub, MiB",
        &[
            ("all connect", Scenario::Connect, Figure::HubRssMb),
            ("all come back", Scenario::Storm, Figure::HubRssMb),
            ("all write", Scenario::Spread, Figure::HubRssMb),
        ],
    ),
    (
        "until all are connected, s",
        &[
            ("all connect", Scenario::Connect, Figure::WallS),
            ("all come back", Scenario::Storm, Figure::WallS),
        ],
    ),
    (
        "CPU of the hub, s",
        &[
            ("all connect", Scenario::Connect, Figure::HubCpuS),
            ("all come back", Scenario::Storm, Figure::HubCpuS),
            ("all write", Scenario::Spread, Figure::HubCpuS),
        ],
    ),
    ("durable changes a second", &[("all write", Scenario::Spread, Figure::ChangesPerS)]),
    (
        "after it was written, a change is, ms",
        &[
            ("at the hub, p50", Scenario::Spread, Figure::AckP50Ms),
            ("at the hub, p99", Scenario::Spread, Figure::AckP99Ms),
            ("elsewhere, p50", Scenario::Spread, Figure::SeenP50Ms),
            ("elsewhere, p99", Scenario::Spread, Figure::SeenP99Ms),
        ],
    ),
];

impl Plotted {
    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Of(figure) => sample.get(figure),
            Self::Bytes => Some(sample.get(Figure::BytesUp)? + sample.get(Figure::BytesDown)?),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Of(figure) => figure.title(),
            Self::Bytes => "bytes both ways",
        }
    }

    fn row(self, label: String, outcome: &Outcome) -> Option<Row> {
        let mut values: Vec<f64> = outcome.samples.iter().filter_map(|sample| self.of(sample)).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let median = *values.get(values.len() / 2)?;
        // A logarithmic scale has no place for nothing.
        (low > 0.0).then(|| Row { label, is_own: outcome.system == System::Hearth, low, median, high })
    }
}

/// The plots of a report.
pub(super) fn of(report: &Report) -> anyhow::Result<Vec<Plot>> {
    let mut plots = Vec::new();
    for (name, file) in [("Month", "month"), ("Year", "year"), ("Bad line", "bad-line")] {
        let Some(measurement) = report.measurements.iter().find(|m| m.name == name) else { continue };
        let title = format!("{name}: {}", measurement.work);
        plots.extend(plot(file, title, of_systems(measurement))?);
    }
    let histories: Vec<&Measurement> =
        report.measurements.iter().filter(|m| m.name.starts_with("Come back")).collect();
    let title = "A node that has everything comes back, by the size of what it has".to_owned();
    plots.extend(plot("come-back", title, of_histories(&histories))?);
    let homes = report.measurements.iter().filter(|m| m.name.starts_with("Homes"));
    let title = "Tens of homes on one hub: all connect, then each writes an entry a second".to_owned();
    plots.extend(plot("homes", title, homes.flat_map(of_homes).collect())?);
    if let Some(sites) = report.measurements.iter().find(|m| m.name == "Sites") {
        plots.extend(plot("sites", format!("Sites: {}", sites.work), of_sites(sites))?);
    }
    Ok(plots)
}

fn of_systems(measurement: &Measurement) -> Vec<Panel> {
    let mut panels = Vec::new();
    for scenario in measurement.scenarios() {
        let plotted = if scenario == Scenario::Live { OF_LIVE } else { OF_A_SYNC };
        for what in plotted {
            let of = measurement.results.iter().filter(|o| o.scenario == scenario);
            let rows: Vec<Row> = of.filter_map(|o| what.row(o.system.title().to_owned(), o)).collect();
            panels.push(Panel { title: format!("{} – {}", scenario.short(), what.title()), rows });
        }
    }
    panels
}

fn of_histories(histories: &[&Measurement]) -> Vec<Panel> {
    let mut panels = Vec::new();
    for scenario in [Scenario::Restart, Scenario::LineBack] {
        for what in OF_A_RECONNECT {
            let row = |measurement: &&Measurement| {
                let label = measurement.name.trim_start_matches("Come back: ").to_owned();
                what.row(label, measurement.outcome(scenario, System::Hearth)?)
            };
            let rows: Vec<Row> = histories.iter().filter_map(row).collect();
            panels.push(Panel { title: format!("{} – {}", scenario.short(), what.title()), rows });
        }
    }
    panels
}

fn of_homes(measurement: &Measurement) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (scenario, plotted) in [(Scenario::Join, OF_JOINING), (Scenario::Steady, OF_WRITING)] {
        for what in plotted {
            let of = measurement.results.iter().filter(|o| o.scenario == scenario);
            let rows = of.filter_map(|o| what.row(o.system.title().to_owned(), o)).collect();
            let title = format!("{}, {} – {}", measurement.name, scenario.short(), what.title());
            panels.push(Panel { title, rows });
        }
    }
    panels
}

fn of_sites(measurement: &Measurement) -> Vec<Panel> {
    let panel = |(title, rows): &(&str, &[SitesRow])| Panel {
        title: (*title).to_owned(),
        rows: rows
            .iter()
            .filter_map(|(label, scenario, figure)| {
                let outcome = measurement.outcome(*scenario, System::Hearth)?;
                Plotted::Of(*figure).row((*label).to_owned(), outcome)
            })
            .collect(),
    };
    OF_SITES.iter().map(panel).collect()
}

fn plot(name: &str, title: String, mut panels: Vec<Panel>) -> anyhow::Result<Option<Plot>> {
    panels.retain(|panel| !panel.rows.is_empty());
    if panels.is_empty() {
        return Ok(None);
    }
    let drawn = draw(&panels).map_err(|error| anyhow!("a plot cannot be drawn: {error}"))?;
    let svg = described(&drawn, &title, &panels);
    Ok(Some(Plot { file: format!("sync-{name}.svg"), title, svg }))
}

type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

fn draw(panels: &[Panel]) -> Drawn<String> {
    let heights: Vec<u32> = panels.chunks(COLUMNS).map(height).collect();
    let size = (PANEL.0 * u32::try_from(COLUMNS)?, heights.iter().sum());
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let mut rest = root.clone();
        for (line, height) in panels.chunks(COLUMNS).zip(heights) {
            let (strip, below) = rest.split_vertically(height);
            for (panel, area) in line.iter().zip(strip.split_evenly((1, COLUMNS))) {
                draw_panel(panel, &area)?;
            }
            rest = below;
        }
        root.present()?;
    }
    Ok(svg)
}

fn height(line: &[Panel]) -> u32 {
    let rows = line.iter().map(|panel| panel.rows.len()).max().unwrap_or(0);
    PANEL.1 + ROW * u32::try_from(rows).unwrap_or(u32::MAX)
}

fn draw_panel(panel: &Panel, area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn<()> {
    let low = panel.rows.iter().map(|row| row.low).fold(f64::INFINITY, f64::min);
    let high = panel.rows.iter().map(|row| row.high).fold(0.0, f64::max);
    let count = panel.rows.len();
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(from_below) => {
            // The first row stands on top.
            let row = count.checked_sub(from_below + 1).and_then(|row| panel.rows.get(row));
            row.map_or_else(String::new, |row| row.label.clone())
        }
        SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 14))
        .margin(6)
        .set_label_area_size(LabelAreaPosition::Left, LABELS)
        .set_label_area_size(LabelAreaPosition::Bottom, 20)
        .build_cartesian_2d(
            (low / 2.0..high * ROOM).log_scale(),
            // A scale of one segment has no place to label: a row alone stands at the foot of two.
            (0..count.saturating_sub(1).max(1)).into_segmented(),
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(215, 215, 215))
        .x_labels(4)
        .x_label_formatter(&|value| shown(*value))
        .y_labels(count.max(2))
        .y_label_formatter(&label)
        .label_style(TEXT)
        .draw()?;
    for (place, row) in panel.rows.iter().rev().enumerate() {
        let colour = if row.is_own { OWN } else { OTHER };
        let at = SegmentValue::CenterOf(place);
        chart.draw_series([PathElement::new(
            vec![(row.low, at.clone()), (row.high, at.clone())],
            colour.stroke_width(3),
        )])?;
        chart.draw_series([Circle::new((row.median, at.clone()), 5, colour.filled())])?;
        let style = TEXT.into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        let number = EmptyElement::at((row.high, at)) + Text::new(shown(row.median), (10, 0), style);
        chart.draw_series([number])?;
    }
    Ok(())
}

/// The drawing with a name and all its numbers for those who cannot see it.
fn described(svg: &str, title: &str, panels: &[Panel]) -> String {
    let told: Vec<String> = panels.iter().map(told).collect();
    let about = format!(
        "<title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>\n",
        escaped(title),
        escaped(&told.join(" "))
    );
    let svg = svg.replacen("<svg ", "<svg role=\"img\" aria-labelledby=\"t d\" ", 1);
    let end = svg.find("<svg").and_then(|at| Some(at + svg.get(at..)?.find('>')? + 1)).unwrap_or(0);
    let (head, body) = svg.split_at(end);
    format!("{head}\n{about}{body}")
}

fn told(panel: &Panel) -> String {
    let row = |row: &Row| {
        let spread = if row.low < row.high {
            format!(" ({} to {})", shown(row.low), shown(row.high))
        } else {
            String::new()
        };
        format!("{} {}{spread}", row.label, shown(row.median))
    };
    format!("{}: {}.", panel.title, panel.rows.iter().map(row).collect::<Vec<_>>().join("; "))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_says_in_words_what_it_shows() {
        let row = |label: &str, median: f64| Row {
            label: label.to_owned(),
            is_own: label == "Hearth",
            low: median / 2.0,
            median,
            high: median * 2.0,
        };
        let rows = vec![row("floor", 0.07), row("Hearth", 2.9)];
        let panel = Panel { title: "A – CPU of both ends, s".to_owned(), rows };
        let plot = plot("month", "Month & more".to_owned(), vec![panel]).unwrap().unwrap();
        assert_eq!(plot.file, "sync-month.svg");
        assert!(plot.svg.contains("<title id=\"t\">Month &amp; more</title>"), "{}", plot.svg);
        assert!(
            plot.svg.contains("floor 0.070 (0.035 to 0.140); Hearth 2.90 (1.45 to 5.80)."),
            "{}",
            plot.svg
        );
        assert!(plot.svg.contains("aria-labelledby"));
        assert_eq!(plot.svg.matches("<circle").count(), 2);
        assert!(!plot.svg.contains("NaN"));
    }

    #[test]
    fn a_row_that_stands_alone_has_its_label() {
        let row = Row { label: "connected".into(), is_own: true, low: 60.0, median: 60.0, high: 60.0 };
        let panel = Panel { title: "memory a link, kB".to_owned(), rows: vec![row] };
        let drawn = draw(&[panel]).unwrap();
        assert_eq!(drawn.matches("connected").count(), 1, "{drawn}");
    }
}
