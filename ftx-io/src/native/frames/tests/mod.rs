mod compression;
mod sending;
