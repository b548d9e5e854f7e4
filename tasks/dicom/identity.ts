// Elements that say who was scanned, where or by whom (after PS3.15, table E.1-1). Only their names are ever looked at: no value
// of them is stored or printed. PatientID is not among them, since the pipeline cannot do without it.
import type { DataSet } from 'dicom-parser';

const IDENTITY_ELEMENTS: readonly (readonly [tag: string, keyword: string])[] = [
  ['x00080020', 'StudyDate'],
  ['x00080022', 'AcquisitionDate'],
  ['x00080050', 'AccessionNumber'],
  ['x00080080', 'InstitutionName'],
  ['x00080081', 'InstitutionAddress'],
  ['x00080090', 'ReferringPhysicianName'],
  ['x00080092', 'ReferringPhysicianAddress'],
  ['x00080094', 'ReferringPhysicianTelephoneNumbers'],
  ['x00081010', 'StationName'],
  ['x00081040', 'InstitutionalDepartmentName'],
  ['x00081048', 'PhysiciansOfRecord'],
  ['x00081050', 'PerformingPhysicianName'],
  ['x00081060', 'NameOfPhysiciansReadingStudy'],
  ['x00081070', 'OperatorsName'],
  ['x00100010', 'PatientName'],
  ['x00100021', 'IssuerOfPatientID'],
  ['x00100030', 'PatientBirthDate'],
  ['x00101000', 'OtherPatientIDs'],
  ['x00101001', 'OtherPatientNames'],
  ['x00101005', 'PatientBirthName'],
  ['x00101040', 'PatientAddress'],
  ['x00101060', 'PatientMotherBirthName'],
  ['x00101080', 'MilitaryRank'],
  ['x00102154', 'PatientTelephoneNumbers'],
  ['x00102160', 'EthnicGroup'],
  ['x00102180', 'Occupation'],
  ['x00104000', 'PatientComments'],
  ['x00181000', 'DeviceSerialNumber'],
  ['x00321032', 'RequestingPhysician'],
];

/** Keywords of the elements with a value, and `BurnedInAnnotation` where the file says that the picture itself has a name in it. */
export function filledIdentity(dataSet: DataSet): string[] {
  const filled = IDENTITY_ELEMENTS.filter(([tag]) => dataSet.elements[tag] && dataSet.string(tag)?.trim());
  const names = filled.map(([, keyword]) => keyword);
  return dataSet.string('x00280301') === 'YES' ? [...names, 'BurnedInAnnotation'] : names;
}
