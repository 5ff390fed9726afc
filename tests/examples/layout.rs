#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::print_stdout, reason="scratch")]
use std::collections::BTreeMap;
use std::time::Instant;
use hearth_protocol::{document::*, id::*, record::*, scope::*, time::*};
use hearth_tests::generate::workload::*;
fn main(){
 let start=Timestamp::from_rfc3339("2026-01-01T00:00:00Z").unwrap();
 let w=Workload::new(20260101,start);
 let own=InstallId(0x51a2b3c4);
 let mut docs:BTreeMap<(u16,Section),(Tip,Vec<StoredChange>)>=BTreeMap::new();
 let mut n=0u64; let mut raw=0; let mut ent=0;
 let entries:Vec<_>=w.month().collect();
 let t=Instant::now();
 for e in &entries { n+=1;
  let body=e.body(|r,m| EntryId{install:InstallId(99),counter:1000+u64::from(r)*20+u64::from(m)});
  let section=body.section().unwrap();
  let d=docs.entry((e.resident,section)).or_insert_with(||{let g=genesis(section);let mut t=Tip::default();t.advance(own,&g);(t,vec![g.to_stored()])});
  let entry=Entry{id:EntryId{install:own,counter:n},happened:e.at,recorded:e.at,author:w.author(e),origin:Origin::Site("VL1AB".parse().unwrap()),thread:None,replaces:vec![],body};
  ent+=entry.to_bytes().len();
  let c=add(own,section,&mut d.0,vec![entry]).unwrap(); raw+=c.bytes.len(); d.1.push(c.to_stored());
 }
 println!("build {:?} entries {n} docs {} raw {} entry {}",t.elapsed(),docs.len(),raw/n as usize,ent/n as usize);
 let t=Instant::now(); let mut k=0; for ((_,s),(_,cs)) in &docs { for c in cs { k+=check(*s,c.hash,&c.bytes).unwrap().entries.len(); } } println!("check {:?} {k}",t.elapsed());
 let t=Instant::now(); let snaps:Vec<_>=docs.iter().map(|((_,s),(_,cs))| save(&rebuild(*s,None,cs).unwrap()).unwrap()).collect(); println!("rebuild+save+verify {:?}",t.elapsed());
 let t=Instant::now(); let mut nn=0; for s in &snaps { let d=load(s).unwrap(); nn+=hearth_protocol::document::entries(&d).0.len(); } println!("load+entries {:?} {nn}",t.elapsed());
 for l in [1,3,9,19]{ let t=Instant::now(); let z:usize=snaps.iter().map(|s|zstd::bulk::compress(&s.bytes,l).unwrap().len()).sum(); println!("snap zstd{l} {:?} total {} {:.1} B/e",t.elapsed(),z,z as f64/n as f64); }
 let t=Instant::now(); let all:Vec<u8>=snaps.iter().flat_map(|s|s.bytes.clone()).collect(); let z=zstd::bulk::compress(&all,3).unwrap().len(); println!("one stream zstd3 {:?} {:.1}",t.elapsed(),z as f64/n as f64);
 // floor: raw json-ish? compact: bodies only
 let mut by:BTreeMap<Section,(usize,usize)>=BTreeMap::new(); for (((_,s),_),sn) in docs.iter().zip(&snaps){let e=by.entry(*s).or_default(); e.0+=zstd::bulk::compress(&sn.bytes,3).unwrap().len(); e.1+=sn.changes as usize;} for (s,(b,c)) in by {println!("{s}: {:.1} B/e of {c}",b as f64/c as f64);}
}
