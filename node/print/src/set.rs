//! From a job to the bytes of a PDF.

use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use super::world::Sheet;
use super::{PrintError, checked};

/// The sheet as PDF/UA-1. The same job gives the same bytes.
pub(super) fn pdf(job: Vec<u8>) -> Result<Vec<u8>, PrintError> {
    let document = document(job)?;
    let standards = PdfStandards::new(&[PdfStandard::Ua_1]).map_err(|error| failed(error.message()))?;
    let creator = Smart::Custom(Some(concat!("hearth-print ", env!("CARGO_PKG_VERSION")).to_owned()));
    let options = PdfOptions { standards, creator, ..PdfOptions::default() };
    typst_pdf::pdf(&document, &options).map_err(|errors| first(&errors))
}

fn document(job: Vec<u8>) -> Result<PagedDocument, PrintError> {
    checked(&job)?;
    let world = Sheet::new(job).ok_or_else(|| failed("its files have no names"))?;
    typst::compile::<PagedDocument>(&world).output.map_err(|errors| first(&errors))
}

/// The typesetter's first complaint: about the template, never a text of the job.
fn first(errors: &[typst::diag::SourceDiagnostic]) -> PrintError {
    failed(errors.first().map_or("no reason given", |error| error.message.as_str()))
}

fn failed(why: &str) -> PrintError {
    PrintError::NotSet(why.to_owned())
}

#[cfg(test)]
mod tests;
