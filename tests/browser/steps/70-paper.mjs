// The pack for a hospital, seen without sending anybody.
export default async function paper(walk) {
  await walk.go(`${walk.record}/transfer`);
  await walk.heading('To hospital');
  await walk.look('transfer');
  await walk.open(walk.page.getByRole('link', { name: 'See the pack as it stands' }));
  await walk.heading('Hospital pack');
  await walk.look('transfer-pack');
}
