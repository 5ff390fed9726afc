//! Medicines that are given in care homes, with dm+d codes where the code is certain.
//!
//! For synthetic data only: this is no formulary and no source of codes. Names and VMP codes are taken from public
//! examples and lists: NHS England's EPS FHIR API and NHS 111 prescription portal examples, HL7 UK Core examples, and
//! dm+d code lists of `OpenSAFELY` studies. A medicine whose code none of them has goes without one, as UK Core's
//! guidance allows; records with free-text medicines are common, and no check may take their silence for safety.
//! Doses are usual ones of adults and were checked by nobody.

use super::history::Problem;

/// A medicine as it is usually ordered.
pub(super) struct Medicine {
    /// dm+d code of the VMP, if it is certain.
    pub(super) code: Option<&'static str>,
    /// dm+d name of the VMP.
    pub(super) name: &'static str,
    /// How much at a time, and of what.
    pub(super) dose: (&'static str, Unit),
    pub(super) route: Route,
    pub(super) when: When,
    /// What it is for, in words.
    pub(super) indication: &'static str,
    /// For which problem it is ordered; none for what anybody may have.
    pub(super) problem: Option<Problem>,
    /// Further directions.
    pub(super) instructions: Option<&'static str>,
    /// Schedule of a controlled drug.
    pub(super) schedule: Option<u8>,
}

/// Unit of a dose: as it is shown, and its UCUM code.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Tablet,
    Capsule,
    Millilitre,
    Patch,
    Drop,
    Puff,
    Units,
    Sachet,
    Application,
}

impl Unit {
    /// As it is shown, one and several, and its UCUM code.
    pub(super) fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Tablet => ("tablet", "tablets", "{tablet}"),
            Self::Capsule => ("capsule", "capsules", "{capsule}"),
            Self::Millilitre => ("mL", "mL", "mL"),
            Self::Patch => ("patch", "patches", "{patch}"),
            Self::Drop => ("drop", "drops", "[drp]"),
            Self::Puff => ("puff", "puffs", "{puff}"),
            Self::Units => ("unit", "units", "[iU]"),
            Self::Sachet => ("sachet", "sachets", "{sachet}"),
            Self::Application => ("application", "applications", "{application}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Oral,
    Subcutaneous,
    Transdermal,
    Eye,
    Inhaled,
    Cutaneous,
}

/// When it is given.
pub(super) enum When {
    /// Each day at these times.
    Daily(&'static [&'static str]),
    /// On one day of the week, FHIR's code, at a time.
    Weekly(&'static str, &'static str),
    /// When required: hours at least between two doses, doses at most in 24 hours.
    Required(u8, u8),
    /// For so many days at these times.
    Course(u8, &'static [&'static str]),
}

const MORNING: When = When::Daily(&["08:00"]);
const NIGHT: When = When::Daily(&["22:00"]);
const TWICE: When = When::Daily(&["08:00", "18:00"]);
const THRICE: When = When::Daily(&["08:00", "13:00", "18:00"]);

const fn plain(
    code: &'static str,
    name: &'static str,
    unit: Unit,
    when: When,
    indication: &'static str,
) -> Medicine {
    Medicine {
        code: Some(code),
        name,
        dose: ("1", unit),
        route: Route::Oral,
        when,
        indication,
        problem: None,
        instructions: None,
        schedule: None,
    }
}

impl Medicine {
    const fn uncoded(mut self) -> Self {
        self.code = None;
        self
    }

    const fn of(mut self, dose: &'static str) -> Self {
        self.dose.0 = dose;
        self
    }

    const fn by(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    const fn against(mut self, problem: Problem) -> Self {
        self.problem = Some(problem);
        self
    }

    const fn told(mut self, instructions: &'static str) -> Self {
        self.instructions = Some(instructions);
        self
    }

    const fn controlled(mut self, schedule: u8) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Whether harm follows when it is late.
    pub(super) fn is_time_critical(&self) -> bool {
        self.name.starts_with("Co-careldopa") || self.name.starts_with("Insulin")
    }
}

/// Medicines that a problem brings with it, and those that anybody may have.
pub(super) const MEDICINES: [Medicine; 57] = [
    plain("322236009", "Paracetamol 500mg tablets", Unit::Tablet, When::Required(4, 4), "pain").of("2"),
    plain(
        "374296008",
        "Levothyroxine sodium 100microgram tablets",
        Unit::Tablet,
        When::Daily(&["07:00"]),
        "hypothyroidism",
    )
    .against(Problem::Hypothyroidism)
    .told("30 to 60 minutes before breakfast, caffeine and other medicines"),
    plain(
        "",
        "Co-careldopa 25mg/100mg tablets",
        Unit::Tablet,
        When::Daily(&["07:00", "11:00", "15:00", "19:00"]),
        "Parkinson's disease",
    )
    .uncoded()
    .against(Problem::Parkinsons)
    .told("Time critical: within 30 minutes of the set time"),
    plain(
        "703908001",
        "Apixaban 5mg tablets",
        Unit::Tablet,
        TWICE,
        "stroke prevention in atrial fibrillation",
    )
    .against(Problem::AtrialFibrillation),
    plain("318605000", "Bisoprolol 2.5mg tablets", Unit::Tablet, MORNING, "rate control")
        .against(Problem::AtrialFibrillation),
    plain("325278007", "Metformin 500mg tablets", Unit::Tablet, TWICE, "type 2 diabetes")
        .against(Problem::Diabetes)
        .told("With or after food"),
    plain(
        "",
        "Insulin glargine 100units/ml solution for injection 3ml pre-filled pens",
        Unit::Units,
        NIGHT,
        "diabetes",
    )
    .uncoded()
    .of("14")
    .by(Route::Subcutaneous)
    .against(Problem::Diabetes)
    .told("Check blood glucose first. Rotate the injection site"),
    plain("317972000", "Furosemide 40mg tablets", Unit::Tablet, MORNING, "heart failure")
        .against(Problem::HeartFailure),
    plain("42216511000001100", "Spironolactone 25mg tablets", Unit::Tablet, MORNING, "heart failure")
        .against(Problem::HeartFailure),
    plain("318902004", "Ramipril 5mg capsules", Unit::Capsule, MORNING, "blood pressure")
        .against(Problem::Hypertension),
    plain("319283006", "Amlodipine 5mg tablets", Unit::Tablet, MORNING, "blood pressure")
        .against(Problem::Hypertension),
    plain("320029006", "Atorvastatin 10mg tablets", Unit::Tablet, NIGHT, "cardiovascular risk")
        .against(Problem::Stroke),
    plain("", "Clopidogrel 75mg tablets", Unit::Tablet, MORNING, "stroke prevention")
        .uncoded()
        .against(Problem::Stroke),
    plain("", "Alendronic acid 70mg tablets", Unit::Tablet, When::Weekly("mon", "07:00"), "osteoporosis")
        .uncoded()
        .against(Problem::Osteoporosis)
        .told("Whole, with a full glass of water, 30 minutes before food. Stay upright for 30 minutes"),
    plain("", "Colecalciferol 800unit capsules", Unit::Capsule, MORNING, "bone health")
        .uncoded()
        .against(Problem::Osteoporosis),
    plain("", "Donepezil 10mg tablets", Unit::Tablet, NIGHT, "Alzheimer's disease")
        .uncoded()
        .against(Problem::Alzheimers),
    plain("", "Memantine 10mg tablets", Unit::Tablet, MORNING, "Alzheimer's disease")
        .uncoded()
        .against(Problem::Alzheimers),
    plain(
        "39113611000001102",
        "Salbutamol 100micrograms/dose inhaler CFC free",
        Unit::Puff,
        When::Required(4, 4),
        "breathlessness or wheeze",
    )
    .of("2")
    .by(Route::Inhaled)
    .against(Problem::Copd)
    .told("Through a spacer"),
    plain("320567001", "Budesonide 200micrograms/dose dry powder inhaler", Unit::Puff, TWICE, "COPD")
        .by(Route::Inhaled)
        .against(Problem::Copd)
        .told("Rinse the mouth afterwards"),
    plain(
        "9567211000001104",
        "Buprenorphine 5micrograms/hour transdermal patches",
        Unit::Patch,
        When::Weekly("wed", "10:00"),
        "chronic pain",
    )
    .by(Route::Transdermal)
    .against(Problem::ChronicPain)
    .controlled(3)
    .told("Change every 7 days. New place each time, not the same for 3 weeks"),
    plain(
        "36126511000001106",
        "Morphine 10mg modified-release tablets",
        Unit::Tablet,
        When::Daily(&["09:00", "21:00"]),
        "pain",
    )
    .against(Problem::Cancer)
    .controlled(2)
    .told("Swallow whole"),
    plain(
        "36128311000001101",
        "Morphine sulfate 10mg/5ml oral solution",
        Unit::Millilitre,
        When::Required(4, 6),
        "breakthrough pain",
    )
    .of("2.5")
    .against(Problem::Cancer)
    .controlled(5),
    plain("", "Latanoprost 50micrograms/ml eye drops", Unit::Drop, NIGHT, "glaucoma")
        .uncoded()
        .by(Route::Eye)
        .against(Problem::Glaucoma)
        .told("Both eyes. Discard four weeks after opening"),
    plain("9751511000001104", "Sertraline 100mg tablets", Unit::Tablet, MORNING, "depression")
        .against(Problem::Depression),
    plain("", "Lactulose 3.1-3.7g/5ml oral solution", Unit::Millilitre, TWICE, "constipation")
        .uncoded()
        .of("15"),
    plain("", "Senna 7.5mg tablets", Unit::Tablet, When::Required(12, 1), "constipation").uncoded().of("2"),
    plain(
        "",
        "Macrogol compound oral powder sachets sugar free",
        Unit::Sachet,
        When::Required(8, 2),
        "constipation",
    )
    .uncoded()
    .told("Dissolve in 125 mL of water"),
    plain("", "Omeprazole 20mg gastro-resistant capsules", Unit::Capsule, MORNING, "gastric protection")
        .uncoded(),
    plain("", "Folic acid 5mg tablets", Unit::Tablet, MORNING, "folate deficiency").uncoded(),
    plain("", "Ferrous fumarate 210mg tablets", Unit::Tablet, MORNING, "iron deficiency")
        .uncoded()
        .told("Stools may turn dark"),
    plain("", "Carbomer '980' 0.2% eye drops", Unit::Drop, THRICE, "dry eyes")
        .uncoded()
        .by(Route::Eye)
        .told("Both eyes"),
    plain("", "Mirtazapine 15mg tablets", Unit::Tablet, NIGHT, "low mood and sleep").uncoded(),
    plain("374372000", "Betamethasone valerate 0.1% cream", Unit::Application, TWICE, "eczema")
        .by(Route::Cutaneous)
        .told("Thinly to the lower legs"),
    plain("9277301000001107", "Epaderm ointment", Unit::Application, TWICE, "dry skin").by(Route::Cutaneous),
    plain("321177003", "Zopiclone 3.75mg tablets", Unit::Tablet, When::Required(24, 1), "sleeplessness")
        .controlled(4),
    plain("321294008", "Lorazepam 1mg tablets", Unit::Tablet, When::Required(12, 2), "severe anxiety")
        .of("0.5")
        .controlled(4),
    plain("415167006", "Pregabalin 75mg capsules", Unit::Capsule, TWICE, "nerve pain").controlled(3),
    plain("376689003", "Trazodone 50mg capsules", Unit::Capsule, NIGHT, "agitation"),
    plain(
        "39108511000001108",
        "Nitrofurantoin 100mg modified-release capsules",
        Unit::Capsule,
        When::Course(3, &["08:00", "20:00"]),
        "urinary tract infection",
    )
    .told("With food"),
    // What only a record of very many medicines has.
    plain("318956006", "Losartan 50mg tablets", Unit::Tablet, MORNING, "blood pressure"),
    plain("318783003", "Doxazosin 4mg tablets", Unit::Tablet, NIGHT, "blood pressure"),
    plain("320000009", "Simvastatin 40mg tablets", Unit::Tablet, NIGHT, "cardiovascular risk"),
    plain("323014008", "Gabapentin 300mg capsules", Unit::Capsule, THRICE, "nerve pain").controlled(3),
    plain("325427002", "Prednisolone 5mg tablets", Unit::Tablet, MORNING, "polymyalgia").told("With food"),
    plain("321196004", "Diazepam 2mg tablets", Unit::Tablet, When::Required(8, 3), "muscle spasm")
        .controlled(4),
    plain("42010411000001105", "Codeine 30mg tablets", Unit::Tablet, When::Required(6, 4), "pain")
        .controlled(5),
    plain(
        "330286001",
        "Chloramphenicol 0.5% eye drops",
        Unit::Drop,
        When::Course(5, &["08:00", "12:00", "16:00", "20:00"]),
        "conjunctivitis",
    )
    .by(Route::Eye),
    plain(
        "39732411000001106",
        "Amoxicillin 500mg capsules",
        Unit::Capsule,
        When::Course(5, &["08:00", "14:00", "22:00"]),
        "chest infection",
    ),
    plain("", "Allopurinol 100mg tablets", Unit::Tablet, MORNING, "gout").uncoded(),
    plain(
        "",
        "Tamsulosin 400microgram modified-release capsules",
        Unit::Capsule,
        MORNING,
        "urinary symptoms",
    )
    .uncoded(),
    plain("", "Levetiracetam 500mg tablets", Unit::Tablet, TWICE, "epilepsy").uncoded(),
    plain("", "Digoxin 125microgram tablets", Unit::Tablet, MORNING, "rate control").uncoded(),
    plain("", "Thiamine 100mg tablets", Unit::Tablet, MORNING, "vitamin deficiency").uncoded(),
    plain("", "Cyanocobalamin 50microgram tablets", Unit::Tablet, MORNING, "vitamin deficiency").uncoded(),
    plain("", "Loperamide 2mg capsules", Unit::Capsule, When::Required(4, 4), "diarrhoea").uncoded(),
    plain("", "Cetirizine 10mg tablets", Unit::Tablet, NIGHT, "itching").uncoded(),
    plain("", "Hypromellose 0.3% eye drops", Unit::Drop, THRICE, "dry eyes")
        .uncoded()
        .by(Route::Eye)
        .told("Both eyes"),
];

/// How many of [`MEDICINES`] an ordinary record draws from.
pub(super) const USUAL: usize = 39;

/// What is given instead of apixaban where a record has an INR series.
pub(super) const WARFARIN: Medicine = plain(
    "319733000",
    "Warfarin 1mg tablets",
    Unit::Tablet,
    When::Daily(&["18:00"]),
    "stroke prevention in atrial fibrillation",
)
.of("3")
.told("Dose as in the yellow book after each INR");
