//! The pages over a real store, asked as a browser asks.

mod access;
mod browser;
mod care;
mod every_page;
mod home;
mod medicines;
mod notes;
mod observe;
mod offline;
mod pages;
mod paper;
mod readings;
mod record;
mod safety;
mod serve;
mod stock;
