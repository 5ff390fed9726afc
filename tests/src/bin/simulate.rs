fn main() {
    for seed in std::env::args().skip(1) {
        let at = std::time::Instant::now();
        let outcome = hearth_tests::simulation::simulate(seed.parse().unwrap());
        println!("{outcome:#?} {:?}", at.elapsed());
    }
}
