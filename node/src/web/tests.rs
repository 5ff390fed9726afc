//! The pages over a real store, asked as a browser asks.

mod access;
mod browser;
mod every_page;
mod home;
mod medicines;
mod observe;
mod notes;
mod pages;
mod safety;
mod serve;
